"""Reads of policy runs: their lists, what a new one can be made of, and how much it has to work on."""

from typing import Any

from django.db.models import Count, ExpressionWrapper, F, FloatField, Q, QuerySet

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.models import JobState
from annotate.pool.models import Prompt
from annotate.projects.models import CAPABILITIES, Capability, Membership, Project
from training.policy.models import Checkpoint, CheckpointKind
from training.policy.services import BUILTIN
from training.policy_runs.models import PolicyEvaluation, PolicyRun, PolicySample
from training.policy_runs.options import MAX_PROBE, PolicyRunOptions
from training.reward.bulk import require_model
from training.reward.models import RewardModel, RewardModelState
from training.splits import N_TRAIN_TENTHS, DigestTenth

# A run reads no more; counts stop there too, so that they cost the same on any pool.
MAX_PROMPTS = 100_000
# Tenths by digest that policies are trained on. One of the training split is set aside for evaluations, beside what is
# held out: what people say of completions there can teach the next reward model.
N_POLICY_TENTHS = N_TRAIN_TENTHS - 1
# Fewer say nothing of a policy.
MIN_PROBE = 4
_USABLE = (RewardModelState.PROMOTED, RewardModelState.CANDIDATE, RewardModelState.RETIRED)
_UNREAD = ("report", "config", "sources")


def policy_runs(project: Project) -> QuerySet[PolicyRun]:
    """For lists: without the points of the charts."""
    rows = PolicyRun.objects.filter(project=project).select_related(
        "job", "reward_model", "combined_model__project", "gold_model", "checkpoint", "created_by"
    )
    return rows.defer(
        "steps",
        *(f"{side}__{name}" for side in ("reward_model", "combined_model", "gold_model") for name in _UNREAD),
    )


def models_in_use() -> QuerySet[RewardModel]:
    """The models that runs ask which have not ended: the scorer serves them, whatever is promoted meanwhile."""
    unfinished = PolicyRun.objects.filter(job__state__in=[JobState.QUEUED, JobState.RUNNING])
    wanted = Q()
    for side in ("reward_model", "combined_model", "gold_model"):
        wanted |= Q(pk__in=unfinished.filter(**{f"{side}__isnull": False}).values(side))
    return RewardModel.objects.filter(wanted)


# --- prompts ---------------------------------------------------------------------------------------------------------
def training_prompts(project: Project) -> QuerySet[Prompt]:
    """What a policy may be trained on: the training split, as for reward models, less the tenth set aside."""
    return _of_pool(project).alias(tenth=DigestTenth("digest")).filter(tenth__lt=N_POLICY_TENTHS)


def probe_prompts(project: Project) -> QuerySet[Prompt]:
    """What it is evaluated on: prompts that no policy is trained on, two thirds of them held out from reward models."""
    return _of_pool(project).alias(tenth=DigestTenth("digest")).filter(tenth__gte=N_POLICY_TENTHS)


def _of_pool(project: Project) -> QuerySet[Prompt]:
    return Prompt.objects.filter(pool=project.pool_id)


def n_prompts(project: Project) -> dict[str, int]:
    """{"n_prompts" to train on, "n_probe" to evaluate on}, each as far as a run would use them."""
    return {
        "n_prompts": training_prompts(project)[:MAX_PROMPTS].count(),
        "n_probe": probe_prompts(project)[:MAX_PROBE].count(),
    }


# --- a new one -------------------------------------------------------------------------------------------------------
def starts(project: Project) -> list[dict[str, str]]:
    """What a run can start from: {"value", "label"}, the best guess first."""
    checkpoints = Checkpoint.objects.filter(pool=project.pool_id).order_by("-pk")[:100]
    ordered = sorted(checkpoints, key=lambda one: one.kind != CheckpointKind.SFT)
    found = [{"value": f"checkpoint:{one.pk}", "label": f"{one.name} ({one.get_kind_display()})"} for one in ordered]
    return [*found, {"value": BUILTIN, "label": "The built-in model of this pool"}]


def combinable(project: Project, user: User | None) -> dict[str, RewardModel]:
    """By the slug of their project: the models in use of the other projects over this pool that the user sees, all of
    them for nobody in particular (a command on the server) and for superusers."""
    found = RewardModel.objects.filter(state=RewardModelState.PROMOTED, project__pool=project.pool_id)
    found = found.exclude(project=project).exclude(artifact_uri="")
    if user is not None and not user.is_superuser:
        seeing = [role for role, may in CAPABILITIES.items() if Capability.REVIEW in may]
        seats = Membership.objects.filter(user=user, is_active=True, role__in=seeing)
        found = found.filter(project__in=seats.values("project"))
    rows = found.select_related("project").defer(*_UNREAD).order_by("project__name", "pk")
    return {one.project.slug: one for one in rows}


def choices(project: Project, user: User | None = None) -> dict[str, Any]:
    """What the form starts with and may name, and what is missing for a run, in words ("" for nothing)."""
    models = RewardModel.objects.filter(project=project, state__in=_USABLE).exclude(artifact_uri="")
    rows = list(models.defer(*_UNREAD).order_by("-version")[:100])
    promoted = next((one for one in rows if one.state == RewardModelState.PROMOTED), None)
    held = set(models_in_use().filter(project=project).values_list("pk", flat=True))
    there = starts(project)
    counts = n_prompts(project)
    defaults = PolicyRunOptions(
        start=there[0]["value"],
        reward_model=promoted.version if promoted else 1,
        n_probe=max(MIN_PROBE, min(PolicyRunOptions.n_probe, counts["n_probe"])),
        n_human=min(PolicyRunOptions.n_human, max(MIN_PROBE, counts["n_probe"])),
    ).to_dict()
    return {
        "defaults": defaults | {"reward_model": promoted.version if promoted else None},
        "starts": there,
        "reward_models": [
            {
                "version": one.version,
                "label": label_of(one),
                "is_served": one == promoted or one.pk in held,
                "n_members": one.n_members,
            }
            for one in rows
        ],
        "combinable": [
            {"value": slug, "label": f"{one.project.name}, {label_of(one)}"}
            for slug, one in combinable(project, user).items()
        ],
        **counts,
        "problem": problem(project, counts),
    }


def problem(project: Project, counts: dict[str, int]) -> str:
    """Why no run can be started in the project at all; "" where one can."""
    try:
        require_model(project, None)
    except DomainError as error:
        return error.message
    if not counts["n_prompts"]:
        return "The pool has no prompts to train on: import some."
    if counts["n_probe"] < MIN_PROBE:
        return (
            f"The pool has {counts['n_probe']} prompts that policies are not trained on, and {MIN_PROBE} at least are "
            "needed to see what becomes of one: import more."
        )
    return ""


def label_of(model: RewardModel) -> str:
    """As people choose it by."""
    members = f", {model.n_members} members" if model.n_members > 1 else ""
    return f"v{model.version} ({model.get_state_display().lower()}{members})"


# --- one -------------------------------------------------------------------------------------------------------------
def evaluations(run: PolicyRun) -> QuerySet[PolicyEvaluation]:
    return PolicyEvaluation.objects.filter(run=run).annotate(n_samples=Count("samples")).order_by("step")


ORDERS = ("gain", "uncertainty", "fooled", "prompt")


def samples(evaluation: PolicyEvaluation, order: str) -> QuerySet[PolicySample]:
    """gain: most reward over the reference first; uncertainty: where the members of the model differ most; fooled: most
    reward for least gold first; prompt: as they came."""
    rows = PolicySample.objects.filter(evaluation=evaluation).select_related("prompt")
    gain = ExpressionWrapper(F("reward") - F("reference_reward"), output_field=FloatField())
    rows = rows.annotate(gain=gain)
    if order == "gain":
        return rows.order_by("-gain", "pk")
    if order == "uncertainty":
        return rows.order_by(F("uncertainty").desc(nulls_last=True), "pk")
    if order == "fooled":
        fooled = ExpressionWrapper(
            F("reward") - F("reference_reward") - F("gold") + F("reference_gold"), output_field=FloatField()
        )
        return rows.annotate(fooled=fooled).order_by(F("fooled").desc(nulls_last=True), "-gain", "pk")
    return rows.order_by("pk")
