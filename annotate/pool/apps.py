from django.apps import AppConfig


class PoolConfig(AppConfig):
    name = "annotate.pool"
    label = "pool"
