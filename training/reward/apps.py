from django.apps import AppConfig


class RewardConfig(AppConfig):
    name = "training.reward"
    label = "reward"

    def ready(self) -> None:
        from training.reward import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
