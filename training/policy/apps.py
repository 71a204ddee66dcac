from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "training.policy"
    label = "policy"

    def ready(self) -> None:
        from training.policy import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
