from django.apps import AppConfig


class SamplingConfig(AppConfig):
    name = "training.sampling"
    label = "sampling"

    def ready(self) -> None:
        from training.sampling import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
