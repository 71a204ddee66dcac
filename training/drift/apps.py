from django.apps import AppConfig


class DriftConfig(AppConfig):
    name = "training.drift"
    label = "drift"

    def ready(self) -> None:
        from training.drift import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
