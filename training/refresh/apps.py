from django.apps import AppConfig


class RefreshConfig(AppConfig):
    name = "training.refresh"
    label = "refresh"
