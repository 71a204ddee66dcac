from django.urls import path

from training.judges.api import views

_CONSTITUTIONS = "projects/<slug:slug>/constitutions"
_JUDGES = "projects/<slug:slug>/judges"
_COMPARISONS = "projects/<slug:slug>/comparisons"
_RUNS = "projects/<slug:slug>/judge-runs"

urlpatterns = [
    path(_CONSTITUTIONS, views.ConstitutionsView.as_view(), name="constitutions"),
    path(f"{_CONSTITUTIONS}/<int:constitution_id>", views.ConstitutionView.as_view(), name="constitution"),
    path(f"{_CONSTITUTIONS}/<int:constitution_id>/publish", views.PublishView.as_view(), name="constitution-publish"),
    path(_JUDGES, views.JudgesView.as_view(), name="judges"),
    path(f"{_JUDGES}/<int:judge_id>", views.JudgeView.as_view(), name="judge"),
    path(f"{_JUDGES}/<int:judge_id>/allowance", views.AllowView.as_view(), name="judge-allowance"),
    path(f"{_COMPARISONS}/<int:comparison_id>/ai-ratings", views.AiRatingsView.as_view(), name="ai-ratings"),
    path(_RUNS, views.RunsView.as_view(), name="judge-runs"),
    path(f"{_RUNS}/estimate", views.EstimateView.as_view(), name="judge-runs-estimate"),
    path(f"{_RUNS}/choices", views.ChoicesView.as_view(), name="judge-runs-choices"),
    path(f"{_RUNS}/<int:run_id>", views.RunView.as_view(), name="judge-run"),
]
