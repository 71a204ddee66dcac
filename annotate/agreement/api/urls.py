from django.urls import path

from annotate.agreement.api import guidelines, views

urlpatterns = [
    path(
        "projects/<slug:slug>/guidelines/disagreement",
        guidelines.GuidelinesDisagreementView.as_view(),
        name="guidelines-disagreement",
    ),
    path("projects/<slug:slug>/overview", views.OverviewView.as_view(), name="overview"),
    path("projects/<slug:slug>/agreement", views.AgreementView.as_view(), name="agreement"),
    path("projects/<slug:slug>/agreement/refresh", views.RefreshAgreementView.as_view(), name="agreement-refresh"),
    path("projects/<slug:slug>/agreement/pairs", views.PairsView.as_view(), name="agreement-pairs"),
    path("projects/<slug:slug>/labellers", views.LabellersView.as_view(), name="labellers"),
    path("projects/<slug:slug>/labellers/<int:labeller_id>", views.LabellerView.as_view(), name="labeller"),
    path(
        "projects/<slug:slug>/labellers/<int:labeller_id>/disagreements",
        views.DissentView.as_view(),
        name="labeller-disagreements",
    ),
    path("projects/<slug:slug>/disagreements", views.DisagreementsView.as_view(), name="disagreements"),
    path(
        "projects/<slug:slug>/comparisons/<int:comparison_id>/answer",
        views.ComparisonAnswerView.as_view(),
        name="comparison-answer",
    ),
    path("projects/<slug:slug>/tables/<str:name>.csv", views.TableView.as_view(), name="table"),
]
