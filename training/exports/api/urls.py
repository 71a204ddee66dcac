from django.urls import path

from training.exports.api import views

urlpatterns = [
    path("projects/<slug:slug>/comparison-sets", views.ComparisonSetsView.as_view(), name="comparison-sets"),
    path("projects/<slug:slug>/comparison-sets/choices", views.ChoicesView.as_view(), name="comparison-sets-choices"),
    path(
        "projects/<slug:slug>/comparison-sets/clusters", views.ClustersView.as_view(), name="comparison-sets-clusters"
    ),
    path("projects/<slug:slug>/comparison-sets/preview", views.PreviewView.as_view(), name="comparison-sets-preview"),
    path(
        "projects/<slug:slug>/comparison-sets/<int:comparison_set_id>",
        views.ComparisonSetView.as_view(),
        name="comparison-set",
    ),
    path(
        "projects/<slug:slug>/comparison-sets/<int:comparison_set_id>/manifest",
        views.ManifestView.as_view(),
        name="comparison-set-manifest",
    ),
    path(
        "projects/<slug:slug>/comparison-sets/<int:comparison_set_id>/rows",
        views.RowsView.as_view(),
        name="comparison-set-rows",
    ),
    path(
        "projects/<slug:slug>/comparison-sets/<int:comparison_set_id>/card",
        views.CardView.as_view(),
        name="comparison-set-card",
    ),
]
