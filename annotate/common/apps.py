from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "annotate.common"
    label = "common"

    def ready(self) -> None:
        from django.core.signals import request_started

        from annotate.common import checks  # noqa: F401  (registers the system checks)
        from annotate.common.connections import trust_what_was_just_used

        request_started.connect(trust_what_was_just_used)
