from django.urls import path

from training.reward.api import bulk, views

_BULK = "projects/<slug:slug>/bulk-scorings"
_MODELS = "projects/<slug:slug>/reward-models"
_MODEL = f"{_MODELS}/<int:reward_model_id>"

urlpatterns = [
    path(_MODELS, views.RewardModelsView.as_view(), name="reward-models"),
    path(f"{_MODELS}/rules", views.RulesView.as_view(), name="promotion-rules"),
    path(f"{_MODELS}/roll-back", views.RollBackView.as_view(), name="reward-models-roll-back"),
    path(f"{_MODELS}/compare", views.ComparisonsView.as_view(), name="model-comparisons"),
    path(f"{_MODELS}/compare/<int:comparison_id>", views.ComparisonView.as_view(), name="model-comparison"),
    path(_MODEL, views.RewardModelView.as_view(), name="reward-model"),
    path(f"{_MODEL}/promote", views.PromoteView.as_view(), name="reward-model-promote"),
    path(f"{_MODEL}/retire", views.RetireView.as_view(), name="reward-model-retire"),
    path(f"{_MODEL}/opinions", views.OpinionsView.as_view(), name="reward-model-opinions"),
    path(f"{_MODEL}/card", views.CardView.as_view(), name="reward-model-card"),
    path(f"{_MODEL}/report", views.ReportView.as_view(), name="reward-model-report"),
    path(f"{_MODEL}/external", views.ExternalView.as_view(), name="external-evaluations"),
    path(
        "projects/<slug:slug>/comparison-sets/<int:comparison_set_id>/noise",
        views.NoiseView.as_view(),
        name="comparison-set-noise",
    ),
    path("projects/<slug:slug>/score", views.ScoreView.as_view(), name="score"),
    path("projects/<slug:slug>/playground", views.PlaygroundView.as_view(), name="playground"),
    path(_BULK, bulk.BulkScoringsView.as_view(), name="bulk-scorings"),
    path(f"{_BULK}/choices", bulk.ChoicesView.as_view(), name="bulk-scorings-choices"),
    path(f"{_BULK}/<int:bulk_scoring_id>", bulk.BulkScoringView.as_view(), name="bulk-scoring"),
    path(f"{_BULK}/<int:bulk_scoring_id>/files/<str:name>", bulk.FileView.as_view(), name="bulk-scoring-file"),
]
