from django.apps import AppConfig


class RatingsConfig(AppConfig):
    name = "annotate.ratings"
    label = "ratings"
