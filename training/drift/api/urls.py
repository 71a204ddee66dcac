from django.urls import path

from training.drift.api import views

urlpatterns = [
    path("projects/<slug:slug>/drift-reports", views.DriftReportsView.as_view(), name="drift-reports"),
    path(
        "projects/<slug:slug>/drift-reports/<int:drift_report_id>", views.DriftReportView.as_view(), name="drift-report"
    ),
]
