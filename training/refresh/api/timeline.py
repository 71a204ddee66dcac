from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.agreement.api.serializers import StatSerializer
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.drift.models import Verdict
from training.refresh import timeline
from training.refresh.models import CycleState, Trigger
from training.reward.models import RewardModelState


class TimelineLevelSerializer(serializers.Serializer):
    intensity = serializers.IntegerField(help_text="1 is the weakest.")
    stat = StatSerializer()


class TimelineCellSerializer(serializers.Serializer):
    batch = serializers.IntegerField(help_text="Number of the sampling round; 0: asked for by none.")
    intensity = serializers.IntegerField(allow_null=True, help_text="Null: all, those of unknown intensity among them.")
    stat = StatSerializer()
    difference = StatSerializer(allow_null=True, help_text="To the model that was in use; of all intensities only.")


class TimelineIncumbentSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField()
    difference = StatSerializer(allow_null=True, help_text="Accuracy minus the incumbent's, on the same comparisons.")


class TimelineModelSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    version = serializers.IntegerField()
    state = serializers.ChoiceField(choices=RewardModelState.choices)
    accuracy = StatSerializer()
    incumbent = TimelineIncumbentSerializer(allow_null=True)
    levels = TimelineLevelSerializer(many=True)
    batches = TimelineCellSerializer(many=True)


class TimelineAgreementSerializer(serializers.Serializer):
    """Of labellers, on the held-out comparisons of the set that the model was trained on."""

    pairs = StatSerializer(allow_null=True, help_text="Pairs of ratings that say the same; n counts pairs.")
    ceiling = StatSerializer(allow_null=True, help_text="One labeller against the majority of the others.")


class TimelineMeasureSerializer(serializers.Serializer):
    name = serializers.ChoiceField(choices=timeline.HEADLINES)
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class TimelineDriftSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    verdict = serializers.ChoiceField(choices=Verdict.choices, allow_blank=True)
    measures = TimelineMeasureSerializer(many=True)


class TimelineArmsSerializer(serializers.Serializer):
    chosen = StatSerializer()
    random = StatSerializer()


class TimelineRoundSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    n_asked = serializers.IntegerField()
    n_labelled = serializers.IntegerField(help_text="Comparisons with a rating.")
    n_labels = serializers.IntegerField(help_text="Ratings that count.")
    accuracy = TimelineArmsSerializer(help_text="Of the model that chose, on what was labelled since.")
    agreement = StatSerializer(help_text="Pairs of ratings that say the same.")


class TimelineCostSerializer(serializers.Serializer):
    n_labels = serializers.IntegerField(help_text="Ratings that took time, corrections and second looks among them.")
    n_untimed = serializers.IntegerField(help_text="Those of them taken to have lasted as long as the others.")
    hours = serializers.FloatField(allow_null=True)
    amount = serializers.CharField(allow_null=True, help_text="At today's rate; null without one.")
    currency = serializers.CharField()


class TimelineRefreshSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=CycleState.choices)
    trigger = serializers.ChoiceField(choices=Trigger.choices)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    model = TimelineModelSerializer(allow_null=True)
    agreement = TimelineAgreementSerializer(allow_null=True)
    drift = TimelineDriftSerializer(allow_null=True)
    round = TimelineRoundSerializer(allow_null=True)
    cost = TimelineCostSerializer(allow_null=True)


class TimelineSerializer(serializers.Serializer):
    refreshes = TimelineRefreshSerializer(many=True)
    n_refreshes = serializers.IntegerField(help_text="Of all there are; the latest 50 are told.")
    batches = serializers.ListField(child=serializers.IntegerField())
    n_batches = serializers.IntegerField(help_text="Of all there are; the newest 20 rounds are told.")


class TimelineView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="refreshes_timeline", responses=TimelineSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Every refresh with its model's held-out accuracy by batch and intensity, agreement, drift and cost."""
        return Response(TimelineSerializer(timeline.timeline(self.seat.project)).data)
