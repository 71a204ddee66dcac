from django.urls import path

from training.refresh.api import views
from training.refresh.api.timeline import TimelineView

urlpatterns = [
    path("projects/<slug:slug>/refreshes", views.RefreshesView.as_view(), name="refreshes"),
    path("projects/<slug:slug>/refreshes/timeline", TimelineView.as_view(), name="refreshes-timeline"),
    path("projects/<slug:slug>/refreshes/<int:refresh_id>", views.RefreshView.as_view(), name="refresh"),
]
