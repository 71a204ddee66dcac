from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.jobs.api.serializers import JobSerializer, ProgressSerializer
from annotate.jobs.models import JobState
from training.engine.policy.stopping import LEAST_TO_PART
from training.policy_runs import services
from training.policy_runs.adversarial import Fooled
from training.policy_runs.models import Outcome, PolicyEvaluation, PolicyRun, PolicySample
from training.policy_runs.options import ALGORITHMS, ENSEMBLES, REWARDS, SHAPINGS, PolicyRunOptions
from training.policy_runs.people import WinRate
from training.policy_runs.selectors import ORDERS, label_of
from training.reward.models import RewardModel


class PolicyRunOptionsSerializer(serializers.Serializer):
    """Bounds are those of `training.policy_runs.options.PolicyRunOptions`, which checks them."""

    start = serializers.CharField(required=False, max_length=500, help_text="builtin, checkpoint:<id> or path:/….")
    reward_model = serializers.IntegerField(help_text="Version whose reward is optimised.")
    combine_with = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="Slug of another project over this pool, whose model in use is combined with it; empty: none.",
    )
    gold_model = serializers.IntegerField(
        required=False, allow_null=True, help_text="Version that is looked at only: a better judge."
    )
    algorithm = serializers.ChoiceField(choices=ALGORITHMS, required=False)
    beta = serializers.FloatField(required=False, help_text="Weight of the KL to the reference, per nat.")
    kl_target = serializers.FloatField(required=False, help_text="Nats that beta is steered to; 0: beta is fixed.")
    shaping = serializers.ChoiceField(choices=SHAPINGS, required=False)
    ensemble = serializers.ChoiceField(choices=ENSEMBLES, required=False)
    reward = serializers.ChoiceField(choices=REWARDS, required=False)
    n_steps = serializers.IntegerField(required=False)
    prompts_per_step = serializers.IntegerField(required=False)
    completions_per_prompt = serializers.IntegerField(required=False)
    max_new_tokens = serializers.IntegerField(required=False)
    temperature = serializers.FloatField(required=False)
    learning_rate = serializers.FloatField(required=False)
    lora_rank = serializers.IntegerField(required=False, help_text="0: all weights.")
    evaluate_every = serializers.IntegerField(required=False, help_text="Steps.")
    n_probe = serializers.IntegerField(
        required=False, help_text="Prompts that each evaluation is made on; no policy is trained on them."
    )
    human_kls = serializers.ListField(
        child=serializers.FloatField(), required=False, help_text="KLs (nats a completion) at which people are asked."
    )
    n_human = serializers.IntegerField(required=False, help_text="Prompts put before people each time.")
    kl_limit = serializers.FloatField(required=False, help_text="KL at which it ends; 0: none.")
    n_iterations = serializers.IntegerField(required=False, help_text="Updates on each batch; above 1: clipped.")
    max_prompt_tokens = serializers.IntegerField(required=False, help_text="Longer prompts are left out.")
    clip = serializers.FloatField(required=False, help_text="Epsilon of the clipped objective.")
    kl_horizon = serializers.FloatField(required=False, help_text="Completions over which beta follows kl_target.")
    uncertainty_weight = serializers.FloatField(
        required=False, help_text="Of ensemble uncertainty: the mean less this times the members' variance."
    )
    early_stop = serializers.BooleanField(
        required=False,
        help_text="End when the second judge or people say so; false only chooses the best.",
    )
    stop_patience = serializers.IntegerField(
        required=False,
        help_text="Evaluations over which the judge must rise where the reward does; 0: no such rule. Of people it "
        f"counts from {LEAST_TO_PART} ratings an evaluation.",
    )
    stop_confidence = serializers.FloatField(required=False, help_text="Of the bounds by which the judge has fallen.")
    stop_margin = serializers.FloatField(
        required=False,
        help_text="What the second judge's gain may lie below its best whatever the bounds say; 0: no such rule.",
    )
    seed = serializers.IntegerField(required=False)


class PolicyRunModelSerializer(serializers.ModelSerializer):
    label = serializers.SerializerMethodField()  # type: ignore[assignment]  # hides an attribute of no use here

    class Meta:
        model = RewardModel
        fields = ["id", "version", "label"]

    def get_label(self, model: RewardModel) -> str:
        return label_of(model)


class CombinedModelSerializer(PolicyRunModelSerializer):
    project = serializers.CharField(source="project.name")

    class Meta(PolicyRunModelSerializer.Meta):
        fields = [*PolicyRunModelSerializer.Meta.fields, "project"]


class KeptPolicySerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()


class PolicyRunLatestSerializer(serializers.Serializer):
    step = serializers.IntegerField()
    kl = serializers.FloatField()
    d = serializers.FloatField()
    reward_gain = serializers.FloatField()
    gold_gain = serializers.FloatField(allow_null=True)
    length = serializers.FloatField(allow_null=True)


class PolicyRunSerializer(serializers.ModelSerializer):
    state = serializers.SerializerMethodField()
    options = serializers.SerializerMethodField()
    start_label = serializers.CharField(source="start_model")
    reward_model = PolicyRunModelSerializer()
    combined_model = CombinedModelSerializer(allow_null=True, help_text="Another project's, combined with it.")
    gold_model = PolicyRunModelSerializer(allow_null=True)
    latest = serializers.SerializerMethodField(help_text="The last evaluation so far, null before the first.")
    checkpoint = KeptPolicySerializer(allow_null=True, help_text="The policy that is kept.")
    progress = ProgressSerializer(source="job", allow_null=True)
    job = JobSerializer(allow_null=True)
    created_by = serializers.SerializerMethodField()

    class Meta:
        model = PolicyRun
        fields = [
            "number",
            "state",
            "options",
            "start_label",
            "reward_model",
            "combined_model",
            "gold_model",
            "latest",
            "stop_reason",
            "stop_message",
            "checkpoint",
            "progress",
            "job",
            "created_at",
            "created_by",
            "finished_at",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=JobState.choices))
    def get_state(self, run: PolicyRun) -> str:
        return services.state_of(run)

    @extend_schema_field(PolicyRunOptionsSerializer)
    def get_options(self, run: PolicyRun) -> dict[str, Any]:
        return PolicyRunOptions.filled(run.options)

    @extend_schema_field(PolicyRunLatestSerializer(allow_null=True))
    def get_latest(self, run: PolicyRun) -> dict[str, Any] | None:
        found: dict[str, Any] | None = run.report.get("latest")
        return found

    def get_created_by(self, run: PolicyRun) -> str | None:
        return run.created_by.public_name if run.created_by else None


# --- one -------------------------------------------------------------------------------------------------------------
class GaoFitSerializer(serializers.Serializer):
    """The curve of Gao et al. (2022): gold(d) = d (alpha - beta ln d)."""

    kind = serializers.ChoiceField(choices=["best_of_n", "rl"])
    alpha = serializers.FloatField()
    beta = serializers.FloatField()
    alpha_interval = serializers.ListField(child=serializers.FloatField(), help_text="95 %.")
    beta_interval = serializers.ListField(child=serializers.FloatField(), help_text="95 %.")
    peak_d = serializers.FloatField(allow_null=True, help_text="Null where the curve does not come down.")
    peak_d_interval = serializers.ListField(child=serializers.FloatField(allow_null=True), allow_null=True)
    peak_gold = serializers.FloatField(allow_null=True)
    r2 = serializers.FloatField()
    n = serializers.IntegerField()


class StopDecisionSerializer(serializers.Serializer):
    stop = serializers.BooleanField()
    reason = serializers.CharField()
    message = serializers.CharField()
    best_step = serializers.IntegerField()


class PolicyReportSerializer(serializers.Serializer):
    fit = GaoFitSerializer(allow_null=True)
    fit_of = serializers.ChoiceField(
        choices=["", "gold", "people"], help_text="Gains by the second model, or win rates less ½."
    )
    decision = StopDecisionSerializer(allow_null=True, help_text="By the second model.")
    people = StopDecisionSerializer(allow_null=True, help_text="By people, as of now.")
    best_step = serializers.IntegerField(
        allow_null=True, help_text="The evaluation that is kept, null until then; 0: the start."
    )
    last_step = serializers.IntegerField(allow_null=True)


class PolicyRunCanSerializer(serializers.Serializer):
    cancel = serializers.BooleanField()
    retry = serializers.BooleanField()
    ask_people = serializers.BooleanField()
    adversarial = serializers.BooleanField()
    keep = serializers.BooleanField(help_text="Another evaluation's policy, where has_model is true.")


class SpareModelsSerializer(serializers.Serializer):
    """Policies that could still be kept and are no checkpoint."""

    n = serializers.IntegerField()
    n_bytes = serializers.IntegerField(help_text="The disk they take.")


class PolicyRunDetailSerializer(PolicyRunSerializer):
    report = serializers.SerializerMethodField()
    can = serializers.SerializerMethodField()
    spare = serializers.SerializerMethodField()

    class Meta(PolicyRunSerializer.Meta):
        fields = [*PolicyRunSerializer.Meta.fields, "report", "can", "spare"]

    @extend_schema_field(SpareModelsSerializer)
    def get_spare(self, run: PolicyRun) -> dict[str, int]:
        return dict(SpareModelsSerializer(self.context["spare"]).data)

    @extend_schema_field(PolicyReportSerializer)
    def get_report(self, run: PolicyRun) -> dict[str, Any]:
        found = self.context["report"]
        names = ("fit", "fit_of", "decision", "people", "best_step", "last_step")
        return {name: found.get(name) for name in names}

    @extend_schema_field(PolicyRunCanSerializer)
    def get_can(self, run: PolicyRun) -> dict[str, bool]:
        """What is possible now; whether the caller's role allows it is another matter."""
        fooled: Fooled = self.context["fooled"]
        return {
            "cancel": services.can_cancel(run),
            "retry": services.can_retry(run),
            "ask_people": self.context["n_unasked"] > 0,
            "adversarial": bool(fooled.all - fooled.kept),
            "keep": run.finished_at is not None,
        }


class PolicyStepsSerializer(serializers.Serializer):
    """At most 400 points; of a longer run each is the mean of a few neighbours."""

    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.FloatField(allow_null=True)))


class PolicyWinRateSerializer(serializers.Serializer):
    """Of the policy against its reference, by people; ties are half a win."""

    n_asked = serializers.IntegerField()
    n = serializers.IntegerField(help_text="Judged so far.")
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    ties = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="Wilson's 95 % interval.")
    high = serializers.FloatField(allow_null=True)
    claimed = serializers.FloatField(help_text="What the reward model says the rate is.")


class PolicyEvaluationSerializer(serializers.ModelSerializer):
    n_samples = serializers.IntegerField()
    win_rate = serializers.SerializerMethodField(help_text="Null where people are not asked.")
    metrics = serializers.DictField(help_text="The engine's evaluation.json.")
    has_model = serializers.SerializerMethodField(
        help_text="Whether its policy, or at step 0 the start, can be kept once the run has ended."
    )

    class Meta:
        model = PolicyEvaluation
        fields = ["step", "created_at", "human_kl", "n_comparisons", "n_samples", "has_model", "metrics", "win_rate"]

    def get_has_model(self, evaluation: PolicyEvaluation) -> bool:
        return evaluation.step == 0 or bool(evaluation.model_path)

    @extend_schema_field(PolicyWinRateSerializer(allow_null=True))
    def get_win_rate(self, evaluation: PolicyEvaluation) -> dict[str, Any] | None:
        rate: WinRate | None = self.context["win_rates"].get(evaluation.pk)
        return None if rate is None else rate.to_dict()


class PolicyEvaluationsSerializer(serializers.Serializer):
    results = PolicyEvaluationSerializer(many=True)


class PolicySampleSerializer(serializers.ModelSerializer):
    messages = serializers.JSONField(source="prompt.messages")
    gain = serializers.FloatField(help_text="Of the reward over the reference's.")
    outcome = serializers.SerializerMethodField(help_text='What people say of it; "" while they have not.')

    class Meta:
        model = PolicySample
        fields = [
            "id",
            "prompt_id",
            "messages",
            "completion",
            "reference",
            "gain",
            "reward",
            "reference_reward",
            "uncertainty",
            "reference_uncertainty",
            "calibrated",
            "reference_calibrated",
            "gold",
            "reference_gold",
            "kl",
            "n_tokens",
            "reference_n_tokens",
            "is_asked",
            "is_kept",
            "comparison_id",
            "outcome",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=[("", ""), *Outcome.choices]))
    def get_outcome(self, sample: PolicySample) -> str:
        return str(self.context["outcomes"].get(sample.pk, ""))


class PolicySampleOrderSerializer(serializers.Serializer):
    order = serializers.ChoiceField(choices=ORDERS, default="gain")


class AskPeopleSerializer(serializers.Serializer):
    n = serializers.IntegerField(min_value=1, max_value=500, help_text="More of the evaluation's prompts.")


class AskedPeopleSerializer(serializers.Serializer):
    n = serializers.IntegerField(help_text="Put before people now.")
    n_asked = serializers.IntegerField(help_text="Of this evaluation, in all.")


class FooledSerializer(serializers.Serializer):
    """Completions that the reward model likes and a better judge does not."""

    n = serializers.IntegerField()
    n_by_people = serializers.IntegerField()
    n_by_gold = serializers.IntegerField()
    n_kept = serializers.IntegerField(help_text="In the pool as adversarial completions already.")


class KeepAdversarialSerializer(serializers.Serializer):
    start_refresh = serializers.BooleanField(default=False)


class StartedRefreshSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    number = serializers.IntegerField()


class KeptAdversarialSerializer(FooledSerializer):
    n_new = serializers.IntegerField()
    refresh = StartedRefreshSerializer(allow_null=True)


# --- a new one -------------------------------------------------------------------------------------------------------
class PolicyStartSerializer(serializers.Serializer):
    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # hides an attribute of no use here


class PolicyRunJudgeSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]  # hides an attribute of no use here
    is_served = serializers.BooleanField(help_text="Now; one that is not is served while a run needs it.")
    n_members = serializers.IntegerField()


class PolicyRunDefaultsSerializer(PolicyRunOptionsSerializer):
    reward_model = serializers.IntegerField(allow_null=True)


class PolicyRunChoicesSerializer(serializers.Serializer):
    """What a run can be made of, and what the form starts with."""

    defaults = PolicyRunDefaultsSerializer()
    starts = PolicyStartSerializer(many=True)
    reward_models = PolicyRunJudgeSerializer(many=True)
    combinable = PolicyStartSerializer(many=True, help_text="Projects whose models can be combined with it.")
    n_prompts = serializers.IntegerField(help_text="To train on: of the other seven tenths.")
    n_probe = serializers.IntegerField(help_text="To evaluate on: of the three tenths that no policy is trained on.")
    problem = serializers.CharField(allow_blank=True, help_text="Why no run can be started now; empty: nothing.")


class PolicyRunPreviewSerializer(serializers.Serializer):
    n_prompts = serializers.IntegerField()
    passes = serializers.FloatField(help_text="How often each prompt is drawn.")
    n_completions = serializers.IntegerField(help_text="Sampled in training.")
    n_updates = serializers.IntegerField()
    n_probe = serializers.IntegerField()
    n_evaluations = serializers.IntegerField(help_text="At most.")
    n_probe_completions = serializers.IntegerField(help_text="Sampled in all evaluations.")
    max_new_tokens = serializers.IntegerField(help_text="Written at most, in all.")
    n_comparisons = serializers.IntegerField(help_text="Put before people at most.")
    n_ratings = serializers.IntegerField(help_text="Wanted of them at most.")
    seconds = serializers.FloatField(allow_null=True, help_text="As earlier runs took; null before there is one.")
