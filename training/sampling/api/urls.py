from django.urls import path

from training.sampling.api import views

urlpatterns = [
    path("projects/<slug:slug>/sampling-rounds", views.SamplingRoundsView.as_view(), name="sampling-rounds"),
    path(
        "projects/<slug:slug>/sampling-rounds/<int:sampling_round_id>",
        views.SamplingRoundView.as_view(),
        name="sampling-round",
    ),
]
