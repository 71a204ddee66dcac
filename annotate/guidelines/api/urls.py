from django.urls import path

from annotate.guidelines.api import views

urlpatterns = [
    path("projects/<slug:slug>/guidelines", views.GuidelinesView.as_view(), name="guidelines"),
    path("projects/<slug:slug>/guidelines/<str:number>", views.GuidelineView.as_view(), name="guideline"),
]
