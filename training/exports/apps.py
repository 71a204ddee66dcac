from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "training.exports"
    label = "exports"
