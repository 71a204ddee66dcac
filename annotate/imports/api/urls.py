from django.urls import path

from annotate.imports.api import views

urlpatterns = [
    path("projects/<slug:slug>/imports", views.ImportsView.as_view(), name="imports"),
    path("projects/<slug:slug>/imports/<int:import_id>", views.ImportView.as_view(), name="import"),
    path(
        "projects/<slug:slug>/imports/<int:import_id>/errors.csv",
        views.ImportErrorsView.as_view(),
        name="import-errors",
    ),
]
