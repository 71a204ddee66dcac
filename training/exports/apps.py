from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "training.exports"
    label = "exports"

    def ready(self) -> None:
        from training.exports import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
