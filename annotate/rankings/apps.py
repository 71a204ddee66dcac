from django.apps import AppConfig


class RankingsConfig(AppConfig):
    name = "annotate.rankings"
    label = "rankings"
