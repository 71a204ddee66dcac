from django.urls import path

from training.refresh.api import views
from training.refresh.api.timeline import TimelineView

_ALL = "projects/<slug:slug>/refreshes"
_ONE = f"{_ALL}/<int:refresh_id>"

urlpatterns = [
    path(_ALL, views.RefreshesView.as_view(), name="refreshes"),
    path(f"{_ALL}/preview", views.RefreshPreviewView.as_view(), name="refresh-preview"),
    path(f"{_ALL}/schedule", views.RefreshScheduleView.as_view(), name="refresh-schedule"),
    path(f"{_ALL}/timeline", TimelineView.as_view(), name="refreshes-timeline"),
    path(_ONE, views.RefreshView.as_view(), name="refresh"),
    path(f"{_ONE}/cancel", views.RefreshCancelView.as_view(), name="refresh-cancel"),
    path(f"{_ONE}/retry", views.RefreshRetryView.as_view(), name="refresh-retry"),
    path(f"{_ONE}/stages/<str:stage>", views.RefreshStageView.as_view(), name="refresh-stage"),
    path(f"{_ONE}/stages/<str:stage>/skip", views.RefreshStageSkipView.as_view(), name="refresh-stage-skip"),
    path(f"{_ONE}/stages/<str:stage>/restore", views.RefreshStageRestoreView.as_view(), name="refresh-stage-restore"),
]
