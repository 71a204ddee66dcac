from django.urls import path

from annotate.pool.api import views

urlpatterns = [
    path("projects/<slug:slug>/prompts", views.PromptsView.as_view(), name="prompts"),
    path("projects/<slug:slug>/prompts/<int:prompt_id>", views.PromptView.as_view(), name="prompt"),
]
