from django.apps import AppConfig


class PolicyRunsConfig(AppConfig):
    name = "training.policy_runs"
    label = "policy_runs"

    def ready(self) -> None:
        from training.policy_runs import tasks  # noqa: F401  (registers the kinds of jobs, in web processes too)
        from training.policy_runs.selectors import models_in_use
        from training.reward import registry

        registry.hold(models_in_use)
