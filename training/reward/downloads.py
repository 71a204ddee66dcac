"""A reward model's card and report as files, and what a bulk scoring has written."""

import json
import re
from collections.abc import Iterator
from typing import Any

from annotate.common.errors import DomainError, not_found
from training import artifacts
from training.reward.models import BulkScoring, RewardModel


def card(model: RewardModel) -> str:
    """The model card, Markdown with YAML front matter, as it lies beside the weights.

    Raises DomainError "no_card" while the model is not trained, or where it was trained before there were cards.
    """
    content = artifacts.read_file(f"{model.artifact_uri}/README.md") if model.artifact_uri else None
    if content is None:
        raise DomainError("no_card", f"v{model.version} has no model card: it is {model.state}.")
    return content.decode()


def report(model: RewardModel) -> str:
    """The stored report as JSON text. Raises DomainError "no_report" before the model was evaluated."""
    if "format" not in model.report and "accuracy" not in model.report:
        raise DomainError("no_report", f"v{model.version} has no report yet: it is {model.state}.")
    told: dict[str, Any] = {"version": model.version, "project": model.project.slug, **model.report}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


_SCORED = re.compile(r"part-[0-9]{5,}\.parquet|manifest\.json|rejected\.jsonl")
_BLOCK_BYTES = 1024**2


def scored_file(scoring: BulkScoring, name: str) -> tuple[Iterator[bytes], int]:
    """(content in blocks, size in bytes) of a file that the bulk scoring has written; a shard counts once it is whole.

    Raises DomainError "not_found".
    """
    filesystem, directory = artifacts.open_filesystem(scoring.output_url)
    path = f"{directory}/{name}"
    if not _SCORED.fullmatch(name) or not filesystem.exists(path):
        raise not_found("file of this bulk scoring")
    return _blocks(filesystem, path), int(filesystem.size(path))


def _blocks(filesystem: Any, path: str) -> Iterator[bytes]:
    with filesystem.open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
