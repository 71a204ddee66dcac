from django.urls import path

from annotate.ratings.api import views

urlpatterns = [
    path("projects/<slug:slug>/next", views.NextView.as_view(), name="next"),
    path("projects/<slug:slug>/ratings", views.RatingsView.as_view(), name="ratings"),
    path("projects/<slug:slug>/assignments/<int:assignment_id>", views.OwnAssignmentView.as_view(), name="assignment"),
    path("projects/<slug:slug>/assignments/<int:assignment_id>/skip", views.SkipView.as_view(), name="skip"),
    path("projects/<slug:slug>/assignments/<int:assignment_id>/flag", views.FlagView.as_view(), name="flag"),
    path("projects/<slug:slug>/my-ratings", views.MyRatingsView.as_view(), name="my-ratings"),
    path("projects/<slug:slug>/comparisons", views.ComparisonsView.as_view(), name="comparisons"),
    path("projects/<slug:slug>/comparisons/<int:comparison_id>", views.ComparisonView.as_view(), name="comparison"),
    path("projects/<slug:slug>/comparisons/<int:comparison_id>/gold", views.GoldView.as_view(), name="gold"),
    path(
        "projects/<slug:slug>/comparisons/<int:comparison_id>/adjudication",
        views.AdjudicationView.as_view(),
        name="adjudication",
    ),
    path("projects/<slug:slug>/comparisons/<int:comparison_id>/reopen", views.ReopenView.as_view(), name="reopen"),
]
