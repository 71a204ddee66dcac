from django.apps import AppConfig


class AgreementConfig(AppConfig):
    name = "annotate.agreement"
    label = "agreement"

    def ready(self) -> None:
        from annotate.agreement import receivers  # noqa: F401  (connects to ratings_changed)
