from django.urls import path

from training.policy.api import views

_ALL = "projects/<slug:slug>/sft-runs"

urlpatterns = [
    path(_ALL, views.SftRunsView.as_view(), name="sft-runs"),
    path(f"{_ALL}/options", views.SftChoicesView.as_view(), name="sft-runs-options"),
    path(f"{_ALL}/preview", views.SftPreviewView.as_view(), name="sft-runs-preview"),
    path(f"{_ALL}/<int:number>", views.SftRunView.as_view(), name="sft-run"),
]
