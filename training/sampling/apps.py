from django.apps import AppConfig


class SamplingConfig(AppConfig):
    name = "training.sampling"
    label = "sampling"
