"""The model that a run starts from and stays near: found by its name, and made or looked for on the worker."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError

from annotate.jobs.context import JobContext
from annotate.projects.models import Project
from training.policy.models import Checkpoint
from training.policy.services import BUILTIN, BaseModel, BaseSettings, resolve_base_model


@dataclass(frozen=True)
class Start:
    """`label` names it for people; `checkpoint` where it is one of ours that is there already; `path` of another."""

    label: str
    checkpoint: Checkpoint | None = None
    path: str = ""


def find_start(project: Project, name: str) -> Start:
    """Raises ValidationError for a checkpoint that there is not. Whether a path holds a model is seen on the worker."""
    kind, _, rest = name.partition(":")
    if name == BUILTIN:
        return Start("built-in")
    if kind == "path":
        return Start(rest.rstrip("/").rsplit("/", 1)[-1], path=rest)
    checkpoint = Checkpoint.objects.filter(pool=project.pool_id, pk=int(rest)).first()
    if checkpoint is None:
        raise ValidationError({"start": f"There is no checkpoint {rest} in this pool."})
    return Start(checkpoint.name, checkpoint, checkpoint.path)


def resolve_start(project: Project, start: Start, context: JobContext, base: BaseSettings | None = None) -> BaseModel:
    """Where the model lies on this worker, the built-in one made if need be. Raises JobFailed."""
    if not start.path:
        return resolve_base_model(pool=project.pool, name=BUILTIN, context=context, overrides=base)
    found = resolve_base_model(pool=project.pool, name=start.path, context=context)
    return BaseModel(found.path, start.label, start.checkpoint)
