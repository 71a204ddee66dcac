from django.urls import path

from training.refresh.api import views

urlpatterns = [
    path("projects/<slug:slug>/refreshes", views.RefreshesView.as_view(), name="refreshes"),
    path("projects/<slug:slug>/refreshes/<int:refresh_id>", views.RefreshView.as_view(), name="refresh"),
]
