from django.apps import AppConfig


class GuidelinesConfig(AppConfig):
    name = "annotate.guidelines"
    label = "guidelines"
