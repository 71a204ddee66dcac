from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "annotate.common"
    label = "common"

    def ready(self) -> None:
        from annotate.common import checks  # noqa: F401  (registers the system checks)
