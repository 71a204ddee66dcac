from django.urls import path

from annotate.guidelines.api import views

urlpatterns = [
    path("projects/<slug:slug>/guidelines", views.GuidelinesView.as_view(), name="guidelines"),
    path("projects/<slug:slug>/guidelines/draft", views.DraftView.as_view(), name="guideline-draft"),
    path("projects/<slug:slug>/guidelines/<str:number>", views.GuidelineView.as_view(), name="guideline"),
    path("projects/<slug:slug>/qualification", views.QualificationView.as_view(), name="qualification"),
    path("projects/<slug:slug>/qualifications", views.QualificationsView.as_view(), name="qualifications"),
    path(
        "projects/<slug:slug>/qualifications/<int:labeller_id>/allow",
        views.AllowView.as_view(),
        name="qualification-allow",
    ),
    path(
        "projects/<slug:slug>/labellers/<int:labeller_id>/requalification",
        views.RequalificationView.as_view(),
        name="requalification",
    ),
]
