"""Addresses: the API under /api/v1/, sign-in under /_allauth/, probes, and the single-page app for the rest."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from annotate.common import views

api = [
    path("", include("annotate.accounts.api.urls")),
    path("", include("annotate.projects.api.urls")),
    path("", include("annotate.jobs.api.urls")),
    # Before the guidelines, whose versions have addresses beside guidelines/disagreement.
    path("", include("annotate.agreement.api.urls")),
    path("", include("annotate.guidelines.api.urls")),
    path("", include("annotate.pool.api.urls")),
    path("", include("annotate.imports.api.urls")),
    path("", include("annotate.ratings.api.urls")),
    path("", include("annotate.rankings.api.urls")),
    # By name, not by import: the people's wing does not depend on the models' wing.
    path("", include("training.judges.api.urls")),
    path("", include("training.exports.api.urls")),
    path("", include("training.policy.api.urls")),
    path("", include("training.reward.api.urls")),
    path("", include("training.generation.api.urls")),
    path("", include("training.drift.api.urls")),
    path("", include("training.sampling.api.urls")),
    path("", include("training.refresh.api.urls")),
    path("", include("training.policy_runs.api.urls")),
]

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("api/v1/", include((api, "api"))),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("_allauth/", include("allauth.headless.urls")),
    re_path(r"^(?!api/|_allauth/|static/).*$", views.single_page_app, name="app"),
]
