import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.requests import SignedInRequest
from annotate.common.pagination import NewestCreatedFirst
from annotate.jobs import services
from annotate.jobs.access import access_job
from annotate.jobs.api.serializers import AfterSerializer, JobLogSerializer, JobSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView

LOG_PAGE = 500


class JobsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="jobs_list", responses=JobSerializer(many=True))
    def get(self, request: SignedInRequest, slug: str) -> Response:
        return self.paginated(self.seat.project.jobs.all(), JobSerializer, NewestCreatedFirst)


class JobView(APIView):
    @extend_schema(operation_id="jobs_get", responses=JobSerializer)
    def get(self, request: SignedInRequest, job_id: uuid.UUID) -> Response:
        return Response(JobSerializer(access_job(request.user, job_id, Capability.REVIEW)).data)


class JobLogView(APIView):
    @extend_schema(operation_id="jobs_log", parameters=[AfterSerializer], responses=JobLogSerializer)
    def get(self, request: SignedInRequest, job_id: uuid.UUID) -> Response:
        """Lines after `after`, at most 500; without `after` the last 500."""
        query = AfterSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        lines = access_job(request.user, job_id, Capability.REVIEW).log_lines
        if after := query.validated_data["after"]:
            page = list(lines.filter(id__gt=after).order_by("id")[:LOG_PAGE])
        else:
            page = list(lines.order_by("-id")[:LOG_PAGE])[::-1]
        return Response(JobLogSerializer({"lines": page}).data)


class CancelJobView(APIView):
    @extend_schema(operation_id="jobs_cancel", request=None, responses=JobSerializer)
    def post(self, request: SignedInRequest, job_id: uuid.UUID) -> Response:
        job = access_job(request.user, job_id, Capability.IMPORT)
        return Response(JobSerializer(services.request_cancel(job=job)).data)


class RetryJobView(APIView):
    @extend_schema(operation_id="jobs_retry", request=None, responses=JobSerializer)
    def post(self, request: SignedInRequest, job_id: uuid.UUID) -> Response:
        job = access_job(request.user, job_id, Capability.IMPORT)
        return Response(JobSerializer(services.retry(job=job)).data)
