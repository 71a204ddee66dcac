from django.apps import AppConfig


class RefreshConfig(AppConfig):
    name = "training.refresh"
    label = "refresh"

    def ready(self) -> None:
        from training.refresh import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
