from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "training.demo"
    label = "demo"
