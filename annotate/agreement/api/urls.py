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
]
