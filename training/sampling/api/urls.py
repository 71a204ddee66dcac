from django.urls import path

from training.sampling.api import views

_ROUNDS = "projects/<slug:slug>/sampling-rounds"
_ROUND = f"{_ROUNDS}/<int:sampling_round_id>"

urlpatterns = [
    path(_ROUNDS, views.SamplingRoundsView.as_view(), name="sampling-rounds"),
    path(f"{_ROUNDS}/preview", views.SamplingPreviewView.as_view(), name="sampling-preview"),
    path(f"{_ROUNDS}/choices", views.SamplingChoicesView.as_view(), name="sampling-choices"),
    path(f"{_ROUNDS}/judge", views.JudgeView.as_view(), name="sampling-judge"),
    path(_ROUND, views.SamplingRoundView.as_view(), name="sampling-round"),
    path(f"{_ROUND}/comparisons", views.SampledComparisonsView.as_view(), name="sampling-round-comparisons"),
    path(f"{_ROUND}/outcome", views.OutcomeView.as_view(), name="sampling-round-outcome"),
    path(f"{_ROUND}/withdrawal", views.WithdrawView.as_view(), name="sampling-round-withdrawal"),
]
