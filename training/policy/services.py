"""Making the built-in base model and its SFT model, once for each state of a pool."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from annotate.jobs.context import JobContext, JobFailed
from annotate.projects.models import Pool
from training.engine.common.atomic import sha256_file, write_json, write_rows
from training.policy.corpus import corpus_rows, sft_completions, sft_rows
from training.policy.models import Checkpoint, CheckpointKind

BUILTIN = "builtin"
_CHECKPOINT = re.compile(r"^checkpoint:([0-9]{1,18})$")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]{0,95}(/[\w.-]{1,96})?$")


def validate_base_model(name: str) -> None:
    """Raise ValidationError unless `name` is "builtin", "checkpoint:<id>", an absolute path or a hub id. Whether it
    exists is seen later, on the worker, whose disk it has to be on."""
    is_path = name.startswith("/") and ".." not in Path(name).parts
    is_ours = name == BUILTIN or bool(_CHECKPOINT.match(name))
    if not is_ours and not is_path and not (_HUB_ID.match(name) and ".." not in name):
        message = (
            f'Expected "{BUILTIN}", checkpoint:<id>, an absolute path on the worker, or a hub id (owner/name); '
            f"got {name!r}."
        )
        raise ValidationError({"base_model": message})


@dataclass(frozen=True)
class BaseModel:
    """What a reward model starts from: where it lies (path or hub id), its name for people, its checkpoint if ours."""

    path: str
    name: str
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class BaseSettings:
    """Overrides of the engine's `train-base` and `sft` configs; empty for the embedded default."""

    base: dict[str, Any] = field(default_factory=dict)
    sft: dict[str, Any] = field(default_factory=dict)


def resolve_base_model(
    *, pool: Pool, name: str, context: JobContext, overrides: BaseSettings | None = None
) -> BaseModel:
    """The built-in model of the pool, made if need be, a checkpoint of it, or the model at a path or of a hub.

    Raises JobFailed "base_model_not_found" or "base_model_unsafe": weights are loaded from safetensors only, since
    other formats can run code.
    """
    if name == BUILTIN:
        checkpoint = ensure_base_model(pool=pool, context=context, overrides=overrides)
        return BaseModel(checkpoint.path, checkpoint.name, checkpoint)
    validate_base_model(name)
    if name.startswith("checkpoint:"):
        found = find_checkpoint(pool, name)
        if found is None:
            raise JobFailed("base_model_not_found", f"There is no {name} in this pool.")
        _require_model(Path(found.path))
        return BaseModel(found.path, found.name, found)
    if not name.startswith("/"):
        return BaseModel(name, name)
    _require_model(Path(name))
    return BaseModel(name, Path(name).name)


def find_checkpoint(pool: Pool, name: str) -> Checkpoint | None:
    """The checkpoint of the pool that "checkpoint:<id>" names; None where there is none, or for another name."""
    named = _CHECKPOINT.match(name)
    return None if named is None else Checkpoint.objects.filter(pool=pool, pk=int(named[1])).first()


def _require_model(directory: Path) -> None:
    if not (directory / "config.json").is_file():
        raise JobFailed("base_model_not_found", f"{directory} on this worker holds no model (no config.json).")
    if not any(directory.glob("*.safetensors")):
        raise JobFailed("base_model_unsafe", f"{directory} has no *.safetensors weights; other formats are not loaded.")


def ensure_base_model(*, pool: Pool, context: JobContext, overrides: BaseSettings | None = None) -> Checkpoint:
    """The SFT model of the pool's texts of now, made if it is not there yet.

    Both models are cached under VAR_DIR/models by the content of what they are trained on, so a pool that has not
    changed costs two reads, and a run that was cut short goes on from its engine's checkpoint.
    """
    overrides = overrides or BaseSettings()
    scratch = _models_directory() / f".draft-{context.job.pk}-{os.getpid()}.jsonl"
    try:
        base = _ensure_base(pool, context, overrides, scratch)
        return _ensure_sft(pool, context, overrides, scratch, base)
    finally:
        scratch.unlink(missing_ok=True)


def _ensure_base(pool: Pool, context: JobContext, overrides: BaseSettings, scratch: Path) -> Checkpoint:
    context.progress(0, 100, message="reading the pool's texts")
    n_rows = write_rows(scratch, corpus_rows(pool))
    if n_rows == 0:
        raise JobFailed("empty_pool", "The pool has no texts to train a base model on: import prompts first.")
    digest = _digest(scratch, overrides.base)
    name = f"base-{digest[:12]}"
    directory = _models_directory() / digest[:16]
    return _ensure(
        pool=pool,
        context=context,
        name=name,
        kind=CheckpointKind.BASE,
        directory=directory,
        data=scratch,
        data_field="corpus",
        verb="train-base",
        config=overrides.base,
        parent=None,
        what=f"base model from {n_rows} texts",
    )


def _ensure_sft(
    pool: Pool, context: JobContext, overrides: BaseSettings, scratch: Path, base: Checkpoint
) -> Checkpoint:
    completions, description = sft_completions(pool)
    n_rows = write_rows(scratch, sft_rows(completions, pool))
    if n_rows == 0:
        context.log("The pool has no completions to fine-tune on: the base model is used as it is.", "warning")
        return base
    context.log(f"Fine-tuning on {description} ({n_rows} of training prompts).")
    digest = _digest(scratch, overrides.sft)
    return _ensure(
        pool=pool,
        context=context,
        name=f"sft-{base.name.removeprefix('base-')}-{digest[:12]}",
        kind=CheckpointKind.SFT,
        directory=Path(base.path).parents[1] / f"sft-{digest[:16]}",
        data=scratch,
        data_field="data",
        verb="sft",
        config={**overrides.sft, "base_model": base.path},
        parent=base,
        what=f"SFT model from {n_rows} completions",
    )


def _ensure(
    *,
    pool: Pool,
    context: JobContext,
    name: str,
    kind: CheckpointKind,
    directory: Path,
    data: Path,
    data_field: str,
    verb: str,
    config: dict[str, Any],
    parent: Checkpoint | None,
    what: str,
) -> Checkpoint:
    known = Checkpoint.objects.filter(pool=pool, name=name).first()
    if known is not None and (Path(known.path) / "config.json").is_file():
        context.log(f"{known.name} is there already.")
        return known
    directory.mkdir(parents=True, exist_ok=True)
    with _alone_in(directory, context):
        result = _train(context, directory, data, data_field, verb, config, what)
    fields = {
        "kind": kind,
        "path": result["model"],
        "parent": parent,
        "metrics": {key: value for key, value in result.items() if key not in ("event", "model")},
        "job": context.job,
    }
    try:
        with transaction.atomic():
            return Checkpoint.objects.update_or_create(pool=pool, name=name, defaults=fields)[0]
    except IntegrityError:  # another project of this pool was faster
        return Checkpoint.objects.get(pool=pool, name=name)


def _train(
    context: JobContext, directory: Path, data: Path, data_field: str, verb: str, config: dict[str, Any], what: str
) -> dict[str, Any]:
    """Run the engine on a copy of the data that stays beside the model; a second time it goes on or answers at once."""
    kept = directory / "data.jsonl"
    if not kept.exists():
        draft = kept.with_name(f".data-{os.getpid()}.jsonl")
        shutil.copyfile(data, draft)
        draft.replace(kept)
    request = {
        "n_threads": settings.ENGINE_THREADS,
        **config,
        data_field: str(kept),
        "out_dir": str(directory / "run"),
    }
    write_json(directory / "request.json", request)
    command = [sys.executable, "-m", "training.engine.lm", verb, "--config", str(directory / "request.json")]
    return context.run_process(command, what=f"Training the {what}")


@contextlib.contextmanager
def _alone_in(directory: Path, context: JobContext) -> Iterator[None]:
    """Hold the directory against other workers of this machine: projects of one pool share its models."""
    with open(directory / ".lock", "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                context.progress(message="waiting for another job that makes the same model")
                time.sleep(0.5)
        yield


def _models_directory() -> Path:
    path = Path(settings.VAR_DIR) / "models"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _digest(data: Path, config: dict[str, Any]) -> str:
    """A name for (data, config)."""
    return hashlib.sha256(f"{sha256_file(data)} {json.dumps(config, sort_keys=True)}".encode()).hexdigest()
