from django.apps import AppConfig


class JudgesConfig(AppConfig):
    name = "training.judges"
    label = "judges"

    def ready(self) -> None:
        from training.judges import tasks  # noqa: F401  (registers the kind of job, in web processes too)
