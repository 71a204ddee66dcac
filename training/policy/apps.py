from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "training.policy"
    label = "policy"
