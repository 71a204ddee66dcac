from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "training.generation"
    label = "generation"

    def ready(self) -> None:
        from training.generation import tasks  # noqa: F401
