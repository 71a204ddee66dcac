from django.urls import path

from training.reward.api import views

urlpatterns = [
    path("projects/<slug:slug>/reward-models", views.RewardModelsView.as_view(), name="reward-models"),
    path(
        "projects/<slug:slug>/reward-models/<int:reward_model_id>", views.RewardModelView.as_view(), name="reward-model"
    ),
    path(
        "projects/<slug:slug>/reward-models/<int:reward_model_id>/promote",
        views.PromoteView.as_view(),
        name="reward-model-promote",
    ),
    path(
        "projects/<slug:slug>/reward-models/<int:reward_model_id>/retire",
        views.RetireView.as_view(),
        name="reward-model-retire",
    ),
    path(
        "projects/<slug:slug>/reward-models/<int:reward_model_id>/opinions",
        views.OpinionsView.as_view(),
        name="reward-model-opinions",
    ),
    path("projects/<slug:slug>/score", views.ScoreView.as_view(), name="score"),
]
