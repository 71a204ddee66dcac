from django.urls import path

from annotate.jobs.api import views

urlpatterns = [
    path("projects/<slug:slug>/jobs", views.JobsView.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", views.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/log", views.JobLogView.as_view(), name="job-log"),
    path("jobs/<uuid:job_id>/cancel", views.CancelJobView.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/retry", views.RetryJobView.as_view(), name="job-retry"),
]
