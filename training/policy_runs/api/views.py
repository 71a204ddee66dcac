from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.common.pagination import Numbered
from annotate.projects.access import Seat
from annotate.projects.models import Capability
from annotate.projects.views import ProjectView
from training.policy_runs import adversarial, judging, keeping, people, selectors, services
from training.policy_runs.access import access_evaluation, access_policy_run
from training.policy_runs.api import serializers as s
from training.policy_runs.models import PolicySample
from training.policy_runs.options import PolicyRunOptions


def _options(data: Any) -> PolicyRunOptions:
    body = s.PolicyRunOptionsSerializer(data=data)
    body.is_valid(raise_exception=True)
    return PolicyRunOptions.parse(body.validated_data)


def _whole(seat: Seat, number: int) -> dict[str, Any]:
    """A run as its own page shows it, with what people say by now."""
    run = access_policy_run(seat, number)
    said = judging.peoples_decision(run)
    context = {
        "report": {**run.report, "fit_of": run.report.get("fit_of", ""), "people": said.to_dict() if said else None},
        "fooled": adversarial.fooled(run),
        "spare": keeping.spare(run),
        "n_unasked": PolicySample.objects.filter(evaluation__run=run, evaluation__step__gt=0, is_asked=False).count(),
    }
    return dict(s.PolicyRunDetailSerializer(run, context=context).data)


class PolicyRunsView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_list", responses=s.PolicyRunSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.paginated(selectors.policy_runs(self.seat.project), s.PolicyRunSerializer)

    @extend_schema(
        operation_id="policy_runs_start",
        request=s.PolicyRunOptionsSerializer,
        responses={201: s.PolicyRunDetailSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Optimise a policy against one version of the reward model."""
        made = services.start_policy_run(
            project=self.seat.project, options=_options(request.data), created_by=self.seat.user
        )
        return Response(_whole(self.seat, made.number), status=status.HTTP_201_CREATED)


class PolicyRunOptionsView(ProjectView):
    needs = {"GET": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_options", responses=s.PolicyRunChoicesSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(s.PolicyRunChoicesSerializer(selectors.choices(self.seat.project, self.seat.user)).data)


class PolicyRunPreviewView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="policy_runs_preview",
        request=s.PolicyRunOptionsSerializer,
        responses=s.PolicyRunPreviewSerializer,
    )
    def post(self, request: Request, slug: str) -> Response:
        """What a run would take. Starts nothing."""
        found = services.preview(project=self.seat.project, options=_options(request.data), user=self.seat.user)
        return Response(s.PolicyRunPreviewSerializer(found).data)


class PolicyRunView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="policy_runs_get", responses=s.PolicyRunDetailSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return Response(_whole(self.seat, number))


class PolicyStepsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="policy_runs_steps", responses=s.PolicyStepsSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """The training so far, for charts."""
        return Response({"columns": [], "rows": [], **access_policy_run(self.seat, number).steps})


class PolicyEvaluationsView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(operation_id="policy_runs_evaluations", responses=s.PolicyEvaluationsSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """All of a run, in the order of their steps; the first is the start itself."""
        run = access_policy_run(self.seat, number)
        context = {"win_rates": people.win_rates(run)}
        rows = s.PolicyEvaluationSerializer(selectors.evaluations(run), many=True, context=context)
        return Response({"results": rows.data})


class PolicySamplesView(ProjectView):
    needs = {"GET": Capability.REVIEW}

    @extend_schema(
        operation_id="policy_runs_samples",
        parameters=[
            s.PolicySampleOrderSerializer,
            OpenApiParameter("page", int),
            OpenApiParameter("page_size", int),
        ],
        responses=s.PolicySampleSerializer(many=True),
    )
    def get(self, request: Request, slug: str, number: int, step: int) -> Response:
        """What the policy wrote at a step, beside what its reference wrote."""
        asked = s.PolicySampleOrderSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        evaluation = access_evaluation(self.seat, number, step)
        said = people.outcomes(evaluation.run, evaluation)
        return self.paginated(
            selectors.samples(evaluation, asked.validated_data["order"]),
            s.PolicySampleSerializer,
            Numbered,
            {"outcomes": {one.sample_id: one.outcome for one in said}},
        )


class AskPeopleView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(
        operation_id="policy_runs_ask_people",
        request=s.AskPeopleSerializer,
        responses={201: s.AskedPeopleSerializer},
    )
    def post(self, request: Request, slug: str, number: int, step: int) -> Response:
        """Have people judge n more prompts of an evaluation, blind: the policy's completion beside its reference's."""
        body = s.AskPeopleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        evaluation = access_evaluation(self.seat, number, step)
        n = services.ask_by_hand(evaluation=evaluation, n=body.validated_data["n"], actor=self.seat.user)
        evaluation.refresh_from_db(fields=["n_comparisons"])
        return Response({"n": n, "n_asked": evaluation.n_comparisons}, status=status.HTTP_201_CREATED)


class KeepPolicyView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_keep", request=None, responses=s.PolicyRunDetailSerializer)
    def post(self, request: Request, slug: str, number: int, step: int) -> Response:
        """Keep this evaluation's policy instead of the one that the run kept; of step 0, the start. Another one kept
        again undoes it."""
        keeping.keep_instead(evaluation=access_evaluation(self.seat, number, step), actor=self.seat.user)
        return Response(_whole(self.seat, number))


class SpareModelsView(ProjectView):
    needs = {"DELETE": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_remove_models", responses=s.PolicyRunDetailSerializer)
    def delete(self, request: Request, slug: str, number: int) -> Response:
        """Remove the policies that a finished run could keep and does not, for good."""
        keeping.remove_spare(run=access_policy_run(self.seat, number), actor=self.seat.user)
        return Response(_whole(self.seat, number))


class AdversarialView(ProjectView):
    needs = {"GET": Capability.REVIEW, "POST": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_fooled", responses=s.FooledSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How many completions fooled the reward model, as far as is known."""
        return Response(adversarial.fooled(access_policy_run(self.seat, number)).to_dict())

    @extend_schema(
        operation_id="policy_runs_keep_fooled",
        request=s.KeepAdversarialSerializer,
        responses={201: s.KeptAdversarialSerializer},
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Make them adversarial completions of the pool and put them before people; where asked, start a refresh."""
        body = s.KeepAdversarialSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = access_policy_run(self.seat, number)
        n_new, cycle = adversarial.keep_adversarial(
            run=run, is_refresh_started=body.validated_data["start_refresh"], actor=self.seat.user
        )
        refresh = None if cycle is None else {"id": cycle.pk, "number": cycle.number}
        told = {**adversarial.fooled(run).to_dict(), "n_new": n_new, "refresh": refresh}
        return Response(told, status=status.HTTP_201_CREATED)


class PolicyRunCancelView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_cancel", request=None, responses=s.PolicyRunDetailSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Stop a run; what was found on its way stays."""
        services.cancel_policy_run(run=access_policy_run(self.seat, number), actor=self.seat.user)
        return Response(_whole(self.seat, number))


class PolicyRunRetryView(ProjectView):
    needs = {"POST": Capability.TRAIN}

    @extend_schema(operation_id="policy_runs_retry", request=None, responses=s.PolicyRunDetailSerializer)
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Go on with a failed or cancelled run from its last checkpoint."""
        services.retry_policy_run(run=access_policy_run(self.seat, number), actor=self.seat.user)
        return Response(_whole(self.seat, number))
