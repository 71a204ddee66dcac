from django.urls import path

from training.policy_runs.api import views

_ALL = "projects/<slug:slug>/policy-runs"
_ONE = f"{_ALL}/<int:number>"
_EVALUATION = f"{_ONE}/evaluations/<int:step>"

urlpatterns = [
    path(_ALL, views.PolicyRunsView.as_view(), name="policy-runs"),
    path(f"{_ALL}/options", views.PolicyRunOptionsView.as_view(), name="policy-runs-options"),
    path(f"{_ALL}/preview", views.PolicyRunPreviewView.as_view(), name="policy-runs-preview"),
    path(_ONE, views.PolicyRunView.as_view(), name="policy-run"),
    path(f"{_ONE}/steps", views.PolicyStepsView.as_view(), name="policy-run-steps"),
    path(f"{_ONE}/evaluations", views.PolicyEvaluationsView.as_view(), name="policy-run-evaluations"),
    path(f"{_EVALUATION}/samples", views.PolicySamplesView.as_view(), name="policy-run-samples"),
    path(f"{_EVALUATION}/comparisons", views.AskPeopleView.as_view(), name="policy-run-comparisons"),
    path(f"{_EVALUATION}/keep", views.KeepPolicyView.as_view(), name="policy-run-keep"),
    path(f"{_ONE}/models", views.SpareModelsView.as_view(), name="policy-run-models"),
    path(f"{_ONE}/adversarial", views.AdversarialView.as_view(), name="policy-run-adversarial"),
    path(f"{_ONE}/cancel", views.PolicyRunCancelView.as_view(), name="policy-run-cancel"),
    path(f"{_ONE}/retry", views.PolicyRunRetryView.as_view(), name="policy-run-retry"),
]
