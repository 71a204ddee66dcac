from django.apps import AppConfig


class RewardConfig(AppConfig):
    name = "training.reward"
    label = "reward"
