"""The registry of reward models: what was trained, promoted, compared and judged elsewhere, and by which rules."""

from django.db import models
from django.db.models import F, Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.exports.models import ComparisonSet

# Members of one ensemble: each is a model to be trained and kept.
MAX_MEMBERS = 16


class RewardModelState(models.TextChoices):
    TRAINING = "training", "Training"
    CANDIDATE = "candidate", "Candidate"
    PROMOTED = "promoted", "Promoted"
    RETIRED = "retired", "Retired"
    FAILED = "failed", "Failed"


class RewardModel(TimestampedModel):
    """One trained reward model: what it learnt from, how, how good it is, and whether it is the one in use."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reward_models")
    version = models.PositiveIntegerField()
    comparison_set = models.ForeignKey(ComparisonSet, on_delete=models.RESTRICT, related_name="reward_models")
    base_model = models.CharField(max_length=500)
    config = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=RewardModelState, default=RewardModelState.TRAINING)
    report = models.JSONField(default=dict, blank=True)
    artifact_uri = models.CharField(max_length=500, blank=True)
    # An ensemble where there is more than one.
    n_members = models.PositiveSmallIntegerField(default=1)
    # Whose ratings it learnt from and under which guidelines, counted when it was trained (`reward.sources`).
    sources = models.JSONField(default=dict, blank=True)
    state_reason = models.CharField(max_length=500, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="reward_models_version_unique"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state=RewardModelState.PROMOTED), name="reward_models_one_promoted"
            ),
            models.CheckConstraint(condition=Q(state__in=RewardModelState.values), name="reward_models_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[RewardModelState.TRAINING, RewardModelState.FAILED]) | ~Q(artifact_uri=""),
                name="reward_models_trained_have_an_artifact",
            ),
            models.CheckConstraint(
                condition=Q(n_members__gte=1) & Q(n_members__lte=MAX_MEMBERS), name="reward_models_members_range"
            ),
        ]

    def __str__(self) -> str:
        return f"Reward model v{self.version}"


class Promotion(models.Model):
    """One time that a model was put into use. `replaced` is the promotion that was in force before it; a roll-back
    goes there, and takes that one's `replaced` along, so that a second roll-back goes on further down."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="promotions")
    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="promotions")
    replaced = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    promoted_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    # Against the rules, by a person; `blocks` holds what these said.
    is_forced = models.BooleanField(default=False)
    is_roll_back = models.BooleanField(default=False)
    blocks = models.JSONField(default=list, blank=True)
    # Null where the rules promoted.
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [
            # What a project's latest promotion was, and those before it.
            models.Index(fields=["project", "-id"], name="promotions_newest"),
        ]


class PromotionRules(models.Model):
    """What a project asks of a model before it is put into use. A project without a row has the defaults."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="promotion_rules")
    # Greatest |rank correlation| of reward gap and length difference within comparisons; null: any.
    max_length_correlation = models.FloatField(null=True, blank=True, default=0.5)
    # Least lead over "the longer one is better" on the same comparisons; null: none asked for.
    min_advantage = models.FloatField(null=True, blank=True, default=None)
    must_beat_promoted = models.BooleanField(default=True)
    # A batch counts by itself from so many held-out comparisons on.
    min_batch_comparisons = models.PositiveIntegerField(default=30)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_length_correlation=None)
                | Q(max_length_correlation__gte=0, max_length_correlation__lte=1),
                name="promotion_rules_length_correlation_range",
            ),
            models.CheckConstraint(
                condition=Q(min_advantage=None) | Q(min_advantage__gte=-1, min_advantage__lte=1),
                name="promotion_rules_advantage_range",
            ),
            models.CheckConstraint(
                condition=Q(min_batch_comparisons__gte=1), name="promotion_rules_min_batch_from_one"
            ),
        ]


class ModelComparison(TimestampedModel):
    """Two reward models on the test split of one comparison set. `report` is empty until the job has ended."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_comparisons")
    a = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="+")
    b = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="+")
    comparison_set = models.ForeignKey(ComparisonSet, on_delete=models.CASCADE, related_name="+")
    report = models.JSONField(default=dict, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(a=F("b")), name="model_comparisons_two_models")]


class ExternalEvaluation(TimestampedModel):
    """A reward model on comparisons that somebody brought along. `report` is empty until the job has ended."""

    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="external_evaluations")
    name = models.CharField(max_length=120)
    filename = models.CharField(max_length=200)
    file_url = models.CharField(max_length=500)
    report = models.JSONField(default=dict, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="external_evaluations_have_a_name")]


class BulkScoring(TimestampedModel):
    """A file of prompts and completions that one version of a reward model scores. Its job says how far it is."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="bulk_scorings")
    # Settled at the start: a promotion meanwhile changes nothing for the rows that are left.
    reward_model = models.ForeignKey(RewardModel, on_delete=models.CASCADE, related_name="bulk_scorings")
    name = models.CharField(max_length=200)
    # A file, a directory or a glob, for fsspec.
    input_url = models.CharField(max_length=1000)
    # Ours to remove when it has been scored.
    is_upload = models.BooleanField(default=False)
    rows_per_shard = models.PositiveIntegerField()
    # More rows than this share that cannot be scored, and the job fails at its end.
    max_bad_share = models.FloatField()
    # Of the manifest, which lies beside the shards; empty until all rows are done.
    counts = models.JSONField(default=dict, blank=True)
    output_url = models.CharField(max_length=500, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="bulk_scorings_have_a_name"),
            models.CheckConstraint(condition=Q(rows_per_shard__gte=1), name="bulk_scorings_shards_have_rows"),
            models.CheckConstraint(
                condition=Q(max_bad_share__gte=0, max_bad_share__lte=1), name="bulk_scorings_max_bad_share_range"
            ),
        ]


class CrossFit(TimestampedModel):
    """Every comparison of a set judged by models that did not learn from it. The newest finished one counts."""

    comparison_set = models.ForeignKey(ComparisonSet, on_delete=models.CASCADE, related_name="cross_fits")
    base_model = models.CharField(max_length=500)
    config = models.JSONField(default=dict, blank=True)
    # The rest is filled when the job has ended, all at once.
    strengths_uri = models.CharField(max_length=500, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    # [{comparison_id, p_chosen, strength, std}], the most suspicious first, a few hundred at most.
    suspicious = models.JSONField(default=list, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at=None, strengths_uri="") | (Q(finished_at__isnull=False) & ~Q(strengths_uri="")),
                name="cross_fits_finished_as_a_whole",
            ),
        ]
