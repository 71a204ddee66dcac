from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.pool import selectors
from annotate.pool.api.serializers import PromptDetailSerializer, PromptSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class PromptsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="prompts_list",
        parameters=[OpenApiParameter("search", str, description="Words of the prompt, as in a web search.")],
        responses=PromptSerializer(many=True),
    )
    def get(self, request: Request, slug: str) -> Response:
        found = selectors.prompts(self.seat.project, request.query_params.get("search", ""))
        return self.paginated(found, PromptSerializer)


class PromptView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="prompts_get", responses=PromptDetailSerializer)
    def get(self, request: Request, slug: str, prompt_id: int) -> Response:
        return Response(PromptDetailSerializer(selectors.prompt(self.seat.project, prompt_id)).data)
