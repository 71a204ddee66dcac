from django.urls import path

from training.generation.api import views

urlpatterns = [
    path("projects/<slug:slug>/generations", views.GenerationsView.as_view(), name="generations"),
    path("projects/<slug:slug>/generations/choices", views.ChoicesView.as_view(), name="generations-choices"),
    path("projects/<slug:slug>/generations/estimate", views.EstimateView.as_view(), name="generations-estimate"),
    path("projects/<slug:slug>/generations/<int:generation_id>", views.GenerationView.as_view(), name="generation"),
]
