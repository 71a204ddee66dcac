from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    name = "annotate.comparisons"
    label = "comparisons"
