from django.apps import AppConfig


class AgreementConfig(AppConfig):
    name = "annotate.agreement"
    label = "agreement"
