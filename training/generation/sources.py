"""From the rows of a mix to what writes them: which model, under which name its completions are kept."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from annotate.pool.models import SourceKind
from annotate.projects.models import Pool, Project
from training.endpoints import Endpoint, endpoints, find_endpoint
from training.generation.options import BUILTIN, POOL, GenerationOptions, MixRow
from training.policy.models import Checkpoint, CheckpointKind
from training.reward.models import RewardModel, RewardModelState
from training.reward.services import promoted_model


@dataclass(frozen=True)
class Source:
    """A row of a mix as it is found now. `label` names the model for people; one of checkpoint, endpoint, path is set,
    or none for the pool and the built-in model."""

    row: MixRow
    kind: str
    label: str
    checkpoint: Checkpoint | None = None
    endpoint: Endpoint | None = None
    path: str = ""

    @property
    def name(self) -> str:
        """What the source of its completions is called in the pool: model, temperature, and what is special."""
        if self.row.source == POOL:
            return "another prompt's completion" if self.kind == SourceKind.RANDOM else "already there"
        special = [f"T={self.row.temperature:g}"]
        if self.row.top_p < 1:
            special.append(f"top-p={self.row.top_p:g}")
        if self.row.system:
            special.append("with a system prompt")
        if self.row.best_of > 1:
            special.append(f"best of {self.row.best_of} by {self.row.by}")
        tail = " · ".join(special)
        return f"{self.label[: 117 - len(tail)]} · {tail}"


def find_sources(project: Project, options: GenerationOptions) -> list[Source]:
    """The source of each row of the mix. Raises ValidationError by field for one that there is not.

    Whether a path holds a model is seen on the worker, whose disk it has to be on.
    """
    problems: dict[str, str] = {}
    found = []
    newest = newest_policy(project.pool)
    for number, row in enumerate(options.mix):
        kind, _, name = row.source.partition(":")
        checkpoint = endpoint = None
        path, label = "", name
        if kind == "checkpoint":
            checkpoint = Checkpoint.objects.filter(pool=project.pool_id, pk=int(name)).first()
            if checkpoint is None:
                problems[f"mix.{number}.source"] = f"There is no checkpoint {name} in this pool."
                continue
            path, label = checkpoint.path, checkpoint.name
        elif kind == "endpoint":
            endpoint = find_endpoint(name)
            if endpoint is None:
                known = ", ".join(endpoints()) or "none"
                problems[f"mix.{number}.source"] = (
                    f"The operator allows no endpoint {name!r}; allowed (LM_ENDPOINTS): {known}."
                )
                continue
            label = f"{endpoint.name} {endpoint.model}"
        elif kind == "path":
            path, label = name, name.rstrip("/").rsplit("/", 1)[-1]
        elif row.source == BUILTIN:
            label = "built-in"
        found.append(Source(row, kind_of(row, checkpoint, newest), label, checkpoint, endpoint, path))
    if any(row.best_of > 1 for row in options.mix):
        problems |= _model_problem(project, options)
    if problems:
        raise ValidationError(problems)
    return found


def kind_of(row: MixRow, checkpoint: Checkpoint | None, newest: Checkpoint | None) -> str:
    """The kind a row names; else adversarial where it is prompted or searched for, else what its source is.

    The newest policy of the pool is the current one, older ones early; SFT and base models are sft; the rest is
    external.
    """
    if row.kind:
        return row.kind
    if row.system or row.best_of > 1:
        return SourceKind.ADVERSARIAL
    if row.source == POOL:
        return SourceKind.RANDOM
    if row.source == BUILTIN:
        return SourceKind.SFT
    if checkpoint is None:
        return SourceKind.EXTERNAL
    if checkpoint.kind == CheckpointKind.POLICY:
        return SourceKind.CURRENT_POLICY if checkpoint == newest else SourceKind.EARLY_POLICY
    return SourceKind.SFT


def newest_policy(pool: Pool) -> Checkpoint | None:
    return _policies(pool).first()


def _policies(pool: Pool) -> QuerySet[Checkpoint]:
    """The newest first, each run's once. Kept in the place of another, one is as old as that."""
    policies = Checkpoint.objects.filter(pool=pool, kind=CheckpointKind.POLICY, is_current=True)
    return policies.order_by("-created_at", "-pk")


def asked_reward_model(project: Project, options: GenerationOptions) -> RewardModel | None:
    """The reward model that best-of-n asks: the one of the options, else the promoted one."""
    if options.reward_model is None:
        return promoted_model(project)
    return RewardModel.objects.filter(project=project, pk=options.reward_model).first()


def _model_problem(project: Project, options: GenerationOptions) -> dict[str, str]:
    model = asked_reward_model(project, options)
    if model is None:
        told = (
            "Best-of-n asks a reward model, and none is promoted yet."
            if options.reward_model is None
            else f"There is no reward model {options.reward_model} in this project."
        )
        return {"reward_model": told}
    states = (RewardModelState.CANDIDATE, RewardModelState.PROMOTED, RewardModelState.RETIRED)
    if not model.artifact_uri or model.state not in states:
        return {"reward_model": f"Reward model v{model.version} is {model.state}: it cannot score."}
    return {}


def default_mix(project: Project) -> tuple[MixRow, ...]:
    """What the form starts with: the current policy at two temperatures, the one before it, the SFT model, an
    adversarial part where there is a reward model, and a random completion. A pool without models: the built-in one."""
    rows: list[MixRow] = []
    policies = list(_policies(project.pool)[:2])
    sft = Checkpoint.objects.filter(pool=project.pool_id, kind=CheckpointKind.SFT).order_by("-pk").first()
    main = f"checkpoint:{policies[0].pk}" if policies else f"checkpoint:{sft.pk}" if sft else BUILTIN
    rows += [MixRow(main, temperature=0.7), MixRow(main, temperature=1.0)]
    rows += [MixRow(f"checkpoint:{policy.pk}") for policy in policies[1:]]
    if policies and sft:
        rows.append(MixRow(f"checkpoint:{sft.pk}"))
    if promoted_model(project) is not None:
        rows.append(MixRow(main, temperature=1.0, best_of=8, by="disagreement"))
    rows.append(MixRow(POOL, kind=SourceKind.RANDOM))
    return tuple(rows)
