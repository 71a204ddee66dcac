from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    name = "annotate.comparisons"
    label = "comparisons"

    def ready(self) -> None:
        from annotate.comparisons import receivers  # noqa: F401  (connects to project_changed)
