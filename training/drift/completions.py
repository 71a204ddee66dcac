"""The two sides of a drift report as files for the engine."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from django.db.models import Q, QuerySet

from annotate.jobs.context import JobFailed
from annotate.pool.models import Completion, SourceKind
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.atomic import write_json
from training.exports.models import ComparisonSet
from training.generation.models import Generation

# One completion a prompt is drawn of these, at most 2,000.
NEWEST = 8_000
CHUNK = 1_000
COLUMNS = ("prompt", "prompt_digest", "split", "language", "cluster", "tags")


def write_sides(
    *, project: Project, comparison_set: ComparisonSet, generation: Generation | None, directory: Path
) -> dict[str, Any]:
    """Write training.jsonl and policy.jsonl, and say what is compared. What was written before is left as it is, so
    that a run that goes on compares the same completions.

    Memory holds 16 bytes a completion of the comparison set.
    """
    told = directory / "compared.json"
    if told.exists():
        found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        return found
    known = _write_training(comparison_set, directory / "training.jsonl")
    compared: dict[str, Any] = {"comparison_set": comparison_set.number, "generation": None}
    if generation is not None:
        compared |= {"what": "generation", "generation": generation.number}
        rows = Completion.objects.filter(generated_in__generation=generation)
        compared |= _write_policy(rows, set(), directory / "policy.jsonl")
    else:
        of_pool = Completion.objects.filter(prompt__pool=project.pool_id)
        compared["what"] = "current_policy"
        policy = of_pool.filter(source__kind=SourceKind.CURRENT_POLICY)
        compared |= _write_policy(policy, known, directory / "policy.jsonl")
        if compared["n"] == 0:
            compared["what"] = "newest"
            written_by_models = of_pool.filter(~Q(source__kind=SourceKind.HUMAN), author=None)
            compared |= _write_policy(written_by_models, known, directory / "policy.jsonl")
    write_json(told, compared)
    return compared


def _write_training(comparison_set: ComparisonSet, path: Path) -> set[bytes]:
    """The completions of the training split, once each; keys of those of all splits. Raises JobFailed "set_gone"."""
    known: set[bytes] = set()
    root = artifacts.local_directory(comparison_set.uri)
    try:
        manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobFailed(
            "set_gone", f"The files of comparison set {comparison_set.number} are gone ({comparison_set.uri})."
        ) from None
    with open(path, "w", encoding="utf-8") as file:
        for shard in manifest["shards"]:
            for row in _rows(root / shard["path"]):
                for side in ("chosen", "rejected"):
                    text = row[side][0]["content"]
                    key = _key(row["prompt_digest"], text)
                    if key in known:
                        continue
                    known.add(key)
                    if shard["split"] == "train":
                        _write(file, row["prompt"], text, row["prompt_digest"], row, row.get(f"{side}_source"))
    return known


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    shard = pq.ParquetFile(path)
    wanted = {*COLUMNS, "chosen", "rejected", "chosen_source", "rejected_source"}
    columns = [name for name in shard.schema_arrow.names if name in wanted]
    for batch in shard.iter_batches(batch_size=CHUNK, columns=columns):
        yield from batch.to_pylist()


def _write_policy(rows: QuerySet[Completion], known: set[bytes], path: Path) -> dict[str, Any]:
    """The newest completions that are not known; how many of which sources, and a digest of them."""
    columns = (
        "text",
        "source__name",
        "prompt__messages",
        "prompt__digest",
        "prompt__language",
        "prompt__cluster",
        "prompt__tags",
    )
    newest = rows.order_by("-pk").values_list(*columns).iterator(chunk_size=CHUNK)
    fresh = (row for row in newest if _key(row[3], row[0]) not in known)
    sources: Counter[str] = Counter()
    digest = hashlib.sha256()
    with open(path, "w", encoding="utf-8") as file:
        for text, source, messages, prompt_digest, language, cluster, tags in itertools.islice(fresh, NEWEST):
            about = {"language": language, "cluster": cluster, "tags": tags}
            plain = [{"role": m["role"], "content": m["content"]} for m in messages]
            _write(file, plain, text, prompt_digest, about, source)
            sources[source] += 1
            digest.update(_key(prompt_digest, text))
    return {
        "n": sources.total(),
        "sources": [{"name": name, "n": n} for name, n in sources.most_common(20)],
        "digest": digest.hexdigest(),
    }


def _write(
    file: Any, messages: list[dict[str, str]], text: str, group: str, about: dict[str, Any], source: str | None
) -> None:
    slices = {
        "language": [about["language"]] if about.get("language") else [],
        "cluster": [str(about["cluster"])] if about.get("cluster") is not None else [],
        "tag": about.get("tags") or [],
        "source": [source] if source else [],
    }
    row = {"messages": messages, "completion": text, "group": group, "slices": slices}
    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _key(prompt_digest: str, text: str) -> bytes:
    return hashlib.sha256(f"{prompt_digest}\n{text}".encode(errors="surrogatepass")).digest()[:16]
