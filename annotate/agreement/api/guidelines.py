"""Guidelines as the disagreement shows them."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate.accounts.requests import SignedInRequest
from annotate.agreement import guidelines
from annotate.agreement.api.serializers import StatSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView


class SectionSerializer(serializers.Serializer):
    heading = serializers.CharField(help_text="Empty for what stands before the first heading.")
    n_adjudications = serializers.IntegerField(help_text="Verdicts that name it.")
    n_flags = serializers.IntegerField(help_text="Flags of unclear guidelines whose note is closest to it by words.")
    n_disputed = serializers.IntegerField(
        help_text="Comparisons that split the labellers and whose justifications are closest to it by words."
    )
    comparisons = serializers.ListField(child=serializers.IntegerField(), help_text="A few of them, newest first.")


class MostlySerializer(serializers.Serializer):
    preferred = serializers.ChoiceField(choices=[("a", "A"), ("b", "B"), ("tie", "Tie")])
    n = serializers.IntegerField()


class ExampleAnswersSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    position = serializers.IntegerField()
    prompt = serializers.CharField()
    n_answers = serializers.IntegerField(help_text="Labellers' first answers to it.")
    share_wrong = StatSerializer()
    mostly = MostlySerializer(allow_null=True, help_text="The commonest wrong answer.")
    comparison = serializers.IntegerField(allow_null=True, help_text="The comparison it was made from.")


class GuidelinesDisagreementSerializer(serializers.Serializer):
    version = serializers.IntegerField(allow_null=True, help_text="The current version; null without guidelines.")
    sections = SectionSerializer(many=True)
    examples = ExampleAnswersSerializer(many=True)


class GuidelinesDisagreementView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="guidelines_disagreement", responses=GuidelinesDisagreementSerializer)
    def get(self, request: SignedInRequest, slug: str) -> Response:
        """Which sections and examples of the current version are involved in disagreement."""
        return Response(GuidelinesDisagreementSerializer(guidelines.disagreement(self.seat.project)).data)
