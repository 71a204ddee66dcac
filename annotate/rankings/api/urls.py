from django.urls import path

from annotate.rankings.api import views

urlpatterns = [
    path("projects/<slug:slug>/rankings/next", views.NextRankingsView.as_view(), name="next-rankings"),
    path("projects/<slug:slug>/rankings", views.RankingsView.as_view(), name="rankings"),
    path(
        "projects/<slug:slug>/ranking-assignments/<int:assignment_id>/skip",
        views.SkipRankingView.as_view(),
        name="skip-ranking",
    ),
    path("projects/<slug:slug>/my-rankings", views.MyRankingsView.as_view(), name="my-rankings"),
]
