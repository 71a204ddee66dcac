from django.apps import AppConfig


class ImportsConfig(AppConfig):
    name = "annotate.imports"
    label = "imports"

    def ready(self) -> None:
        from annotate.imports import tasks  # noqa: F401  # registers the kind of job
