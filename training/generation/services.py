"""Making and running generations: the only writer of their rows and of the completions they bring."""

import hashlib
import itertools
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.common.models import next_number
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.jobs.services import enqueue
from annotate.pool.digests import completion_digest
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.atomic import write_json, write_rows
from training.generation.models import GeneratedCompletion, Generation
from training.generation.near import Drop, SeenTexts
from training.generation.options import BUILTIN, POOL, GenerationOptions
from training.generation.prompts import choose_prompts, donor_completions, eligible, messages_of, prompt_tokens
from training.generation.sources import Source, asked_reward_model, find_sources
from training.policy.services import BaseSettings, resolve_base_model

# Completions that are stored in one transaction.
BATCH = 500
NO_COUNTS: dict[str, Any] = {
    "prompts": 0,
    "asked": 0,
    "written": 0,
    "already_there": 0,
    "n_tokens": 0,
    "dropped": {},
    "by_source": {},
}


# --- starting -------------------------------------------------------------------------------------------------------
@transaction.atomic
def create_generation(
    *, project: Project, options: GenerationOptions, job: Job | None = None, created_by: User | None = None
) -> Generation:
    """Make the row of a generation that is to run. Locks the project's row, so that numbers do not collide.

    Raises ValidationError by field where the mix names what there is not.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    find_sources(project, options)
    number = next_number(project.generations)
    made = Generation(
        project=project,
        number=number,
        options=options.to_dict(),
        counts=NO_COUNTS,
        job=job,
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    return made


@transaction.atomic
def request_generation(*, project: Project, options: GenerationOptions, created_by: User | None = None) -> Generation:
    """Make a generation and queue its job. Raises as `create_generation`, and DomainError "no_prompts"."""
    if not eligible(project, options).exists():
        raise DomainError("no_prompts", "No prompt of the pool fits: import prompts, or ask for less here.")
    made = create_generation(project=project, options=options, created_by=created_by)
    made.job = enqueue(
        kind="generate",
        title=f"Generation {made.number}",
        project=project,
        params={"generation": made.pk},
        created_by=created_by,
    )
    made.save(update_fields=["job"])
    audit.record(
        project=project,
        actor=created_by,
        action="generation.started",
        summary=f"Generation {made.number} is started",
        target=made,
        options=made.options,
    )
    return made


def estimate(*, project: Project, options: GenerationOptions) -> dict[str, int]:
    """What a generation would cost, before it is started.

    n_available prompts fit, n_prompts of them are taken; n_completions are stored at most; n_sampled are written by
    models (more than stored with best-of-n), reading about prompt_tokens and writing max_new_tokens at most. Raises
    ValidationError as `create_generation`.
    """
    find_sources(project, options)
    n_available = eligible(project, options).count()
    n_prompts = min(n_available, options.n_prompts)
    kept = sum(row.n for row in options.mix if row.kind != SourceKind.HUMAN)
    sampled = sum(row.n_sampled for row in options.mix)
    return {
        "n_available": n_available,
        "n_prompts": n_prompts,
        "n_completions": n_prompts * kept,
        "n_sampled": n_prompts * sampled,
        "prompt_tokens": round(n_prompts * sampled * prompt_tokens(project, options)),
        "max_new_tokens": n_prompts * sampled * options.max_new_tokens,
    }


# --- the job --------------------------------------------------------------------------------------------------------
def run_generation(*, generation: Generation, context: JobContext, base: BaseSettings | None = None) -> Generation:
    """Write the completions. A finished generation is left as it is.

    What is asked is written down once (prompts and random completions), each model then writes its rows in a process
    of its own, and rows are stored in batches, each in a transaction with its place in the file. So a run that was cut
    short goes on to the same texts, and stores none twice. On another machine the models' work is done again, to the
    same texts where the hardware rounds the same; what is stored is not stored again. Raises JobFailed.
    """
    generation.refresh_from_db()
    if generation.finished_at is not None:
        return generation
    project = generation.project
    options = GenerationOptions.parse(generation.options)
    try:
        sources = find_sources(project, options)
    except ValidationError as error:  # there when it was asked for
        raise JobFailed("source_gone", " ".join(error.messages)) from error
    run = artifacts.run_directory(context.job.pk, f"generation-{generation.number}")
    seed = options.seed + generation.number
    key = f"generation-{generation.number}"
    if not (run / "prompts.jsonl").exists():
        # Files of another machine are of no use here. What it has stored is counted again as it comes by.
        context.save_checkpoint(**{key: {}})
        Generation.objects.filter(pk=generation.pk).update(counts=NO_COUNTS)
        context.progress(message="choosing prompts")
        _write_asked(generation, options, sources, seed, run)
    with open(run / "prompts.jsonl", encoding="utf-8") as file:
        prompts = sum(1 for _ in file)
    if not prompts:
        raise JobFailed("no_prompts", "No prompt of the pool fits any more: import prompts, or ask for less.")
    groups = _by_model(sources)
    for number, (model, rows) in enumerate(groups.items()):
        stored = int(context.checkpoint.get(key, {}).get(str(number), 0))
        context.progress(message=f"{sources[rows[0]].label or model}: {number + 1} of {len(groups)} sources")
        if model == POOL:
            path = run / "pool.jsonl"
        else:
            mine = [sources[row] for row in rows]
            path = _write_completions(generation, options, mine, run / f"source-{number}", seed, context, base)
        for lines in _batches(path, stored):
            with transaction.atomic():
                _store(generation, options, [(sources[rows[line["part"]]], line) for line in lines])
                stored += len(lines)
                context.save_checkpoint(**{key: {**context.checkpoint.get(key, {}), str(number): stored}})
            context.check()
    return _finish(generation, prompts)


def _by_model(sources: Sequence[Source]) -> dict[str, list[int]]:
    """The numbers of the mix's rows by their model: one process loads it once. What the pool gives comes first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, source in sorted(enumerate(sources), key=lambda one: one[1].row.source != POOL):
        groups[source.row.source].append(number)
    return dict(groups)


def _write_asked(
    generation: Generation, options: GenerationOptions, sources: Sequence[Source], seed: int, run: Path
) -> None:
    """prompts.jsonl, and pool.jsonl with what is taken from the pool; the prompts' file is the last to be there."""
    chosen = choose_prompts(generation.project, options, seed)
    from_pool = [source for source in sources if source.row.source == POOL]
    if from_pool:
        write_rows(run / "pool.jsonl", _pool_rows(generation, chosen, from_pool, seed))
    write_rows(run / "prompts.jsonl", ({"id": pk, "messages": messages} for pk, messages in messages_of(chosen)))


def _pool_rows(
    generation: Generation, prompt_ids: list[int], sources: Sequence[Source], seed: int
) -> Iterator[dict[str, Any]]:
    """Rows {"id", "part", "completion" or "completion_id", …} of the pool's own texts.

    A random completion is drawn among those of other prompts until one is none of the prompt's own texts. What this
    generation has written itself does not count, so that a run that begins anew on another machine draws the same.
    """
    is_random = any(source.kind == SourceKind.RANDOM for source in sources)
    start = hashlib.sha256(f"{seed}".encode()).hexdigest()
    donors = donor_completions(generation, start) if is_random else []
    for first in range(0, len(prompt_ids), BATCH):
        chunk = prompt_ids[first : first + BATCH]
        mine: dict[int, list[tuple[int, str, bool]]] = defaultdict(list)
        rows = Completion.objects.filter(prompt_id__in=chunk).exclude(generated_in__generation=generation)
        for prompt_id, pk, text, kind in rows.order_by("pk").values_list("prompt_id", "pk", "text", "source__kind"):
            mine[prompt_id].append((pk, text, kind == SourceKind.HUMAN))
        for prompt_id in chunk:
            for part, source in enumerate(sources):
                if source.kind == SourceKind.HUMAN:
                    for pk, _, _ in itertools.islice((one for one in mine[prompt_id] if one[2]), source.row.n):
                        yield {"id": prompt_id, "part": part, "completion_id": pk}
                    continue
                own = {text for _, text, _ in mine[prompt_id]}
                rng = np.random.default_rng([seed, prompt_id, part])
                for text in _others(donors, prompt_id, own, source.row.n, rng):
                    yield {"id": prompt_id, "part": part, "completion": text, "n_tokens": None}


def _others(
    donors: Sequence[tuple[int, str]], prompt_id: int, own: set[str], n: int, rng: np.random.Generator
) -> Iterator[str]:
    """Up to n texts of other prompts that are none of `own`, all different; fewer where the pool has no more."""
    taken = set(own)
    for _ in range(min(20 * n, 40 * len(donors))):
        if n == 0:
            return
        donor, text = donors[int(rng.integers(len(donors)))]
        if donor != prompt_id and text not in taken:
            taken.add(text)
            n -= 1
            yield text


def _write_completions(
    generation: Generation,
    options: GenerationOptions,
    sources: Sequence[Source],
    out: Path,
    seed: int,
    context: JobContext,
    base: BaseSettings | None,
) -> Path:
    """Have one model write its rows of the mix, and where asked keep the best; the file with the rows to store."""
    config: dict[str, Any] = {
        "prompts": str(out.parent / "prompts.jsonl"),
        "out_dir": str(out / "out"),
        "mix": [
            {
                "n_per_prompt": source.row.n_sampled,
                "temperature": float(source.row.temperature),
                "top_p": float(source.row.top_p),
                "system": source.row.system,
            }
            for source in sources
        ],
        "max_new_tokens": options.max_new_tokens,
        "max_prompt_tokens": options.max_prompt_tokens,
        # Two models that share random numbers would write more alike than they are.
        "seed": int.from_bytes(hashlib.blake2b(f"{seed}/{sources[0].row.source}".encode(), digest_size=6).digest()),
    }
    first = sources[0]
    if first.endpoint is not None:
        verb = "ask"
        config |= {"url": first.endpoint.url, "model": first.endpoint.model, "token_env": first.endpoint.token_env}
    else:
        verb = "generate"
        config |= {"model": _model_path(generation, first, context, base), "fits_window": True}
        config |= {"n_threads": settings.ENGINE_THREADS}
    result = _engine(verb, config, out / "request.json", f"Writing completions by {first.label}", context)
    best = [
        {"part": part, "n": source.row.n, "by": source.row.by}
        for part, source in enumerate(sources)
        if source.row.best_of > 1
    ]
    if best:
        model = asked_reward_model(generation.project, options)
        assert model is not None  # find_sources has seen to it
        config = {
            "model": str(artifacts.local_directory(model.artifact_uri)),
            "completions": result["completions"],
            "out_dir": str(out / "best"),
            "best": best,
            "n_threads": settings.ENGINE_THREADS,
        }
        result = _engine("choose-best", config, out / "best.json", "Choosing the best completions", context)
    return Path(result["completions"])


def _model_path(generation: Generation, source: Source, context: JobContext, base: BaseSettings | None) -> str:
    pool = generation.project.pool
    if source.row.source == BUILTIN:
        return resolve_base_model(pool=pool, name=BUILTIN, context=context, overrides=base).path
    return resolve_base_model(pool=pool, name=source.path, context=context).path


def _engine(verb: str, config: dict[str, Any], path: Path, what: str, context: JobContext) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, config)
    # Asking an endpoint needs no torch.
    module = "training.engine.lm.ask" if verb == "ask" else "training.engine.lm"
    command = [sys.executable, "-m", module, verb, "--config", str(path)]
    return context.run_process(command, what=what)


def _batches(path: Path, n_done: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of a file from number `n_done` on, in batches that are the same wherever it starts."""
    if not path.exists():
        return
    with open(path, encoding="utf-8") as file:
        lines = itertools.islice(file, n_done, None)
        while batch := [json.loads(line) for line in itertools.islice(lines, BATCH)]:
            yield batch


# --- storing --------------------------------------------------------------------------------------------------------
def _store(generation: Generation, options: GenerationOptions, rows: Sequence[tuple[Source, dict[str, Any]]]) -> None:
    """Store a batch and count it. Call inside a transaction.

    Locks the prompts in the order of their ids, so that of two generations at once neither overlooks what the other
    has just stored, then the generation.
    """
    ids = sorted({int(row["id"]) for _, row in rows})
    there = set(
        Prompt.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)
    )
    seen = _seen_texts(there, options.near_duplicate)
    mine = _written_before(generation, ids)
    locked = Generation.objects.select_for_update().get(pk=generation.pk)
    names: dict[Source, CompletionSource] = {}
    fresh: list[Completion] = []
    linked: list[int] = []
    counts = _Counts(locked.counts)
    for source, row in rows:
        prompt_id = int(row["id"])
        if prompt_id not in there:
            continue
        if "completion_id" in row:
            linked.append(row["completion_id"])
            counts.already_there(source)
            continue
        text = str(row["completion"]).replace("\x00", "")
        if source not in names:
            names[source] = _completion_source(generation.project, source)
        if mine.get((prompt_id, text)) == (names[source].pk, row.get("sample_index")):
            counts.written(source, row.get("n_tokens"))
            continue
        why = Drop.REFUSED if row.get("finish_reason") == "refused" else seen[prompt_id].take(text)
        if why is not None:
            counts.dropped(source, why)
            continue
        fresh.append(_completion(prompt_id, names[source], text, options, source, row))
        counts.written(source, row.get("n_tokens"))
    # A text that equals one of the pool is dropped above, so that none of these conflicts, save with an import of
    # this moment: its completion then stays, and is not this generation's.
    Completion.objects.bulk_create(sorted(fresh, key=lambda one: (one.prompt_id, one.digest)), ignore_conflicts=True)
    wanted = {(one.prompt_id, one.digest): one.source_id for one in fresh}
    stored = Completion.objects.filter(prompt_id__in=ids, digest__in=[one.digest for one in fresh])
    for pk, prompt_id, digest, source_id in stored.values_list("pk", "prompt_id", "digest", "source_id"):
        if wanted.get((prompt_id, digest)) == source_id:
            linked.append(pk)
    GeneratedCompletion.objects.bulk_create(
        (GeneratedCompletion(generation=locked, completion_id=pk) for pk in sorted(linked)), ignore_conflicts=True
    )
    locked.counts = counts.values
    locked.save(update_fields=["counts"])


def _written_before(generation: Generation, prompt_ids: list[int]) -> dict[tuple[int, str], tuple[int, int | None]]:
    """(source, sample index) by (prompt, text) of what this generation has stored: more than nothing only where a
    worker on another machine begins anew."""
    found = Completion.objects.filter(generated_in__generation=generation, prompt_id__in=prompt_ids)
    return {
        (prompt_id, text): (source_id, parameters.get("sample_index"))
        for prompt_id, text, source_id, parameters in found.values_list(
            "prompt_id", "text", "source_id", "sampling_parameters"
        )
    }


class _Counts:
    """A generation's counts, to be added to."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values: dict[str, Any] = {**NO_COUNTS, **json.loads(json.dumps(values))}

    def _of(self, source: Source) -> dict[str, Any]:
        self.values["asked"] += 1
        mine: dict[str, Any] = self.values["by_source"].setdefault(
            source.name, {"kind": source.kind, "written": 0, "already_there": 0, "n_tokens": 0, "dropped": {}}
        )
        return mine

    def already_there(self, source: Source) -> None:
        self._of(source)["already_there"] += 1
        self.values["already_there"] += 1

    def written(self, source: Source, n_tokens: int | None) -> None:
        mine = self._of(source)
        for counts in (self.values, mine):
            counts["written"] += 1
            counts["n_tokens"] += n_tokens or 0

    def dropped(self, source: Source, why: Drop) -> None:
        mine = self._of(source)
        for counts in (self.values, mine):
            counts["dropped"] = dict(Counter(counts["dropped"]) + Counter({why.value: 1}))


def _seen_texts(prompt_ids: set[int], threshold: float) -> dict[int, SeenTexts]:
    texts: dict[int, list[str]] = defaultdict(list)
    for prompt_id, text in Completion.objects.filter(prompt_id__in=prompt_ids).values_list("prompt_id", "text"):
        texts[prompt_id].append(text)
    return {pk: SeenTexts(threshold, texts[pk]) for pk in prompt_ids}


def _completion_source(project: Project, source: Source) -> CompletionSource:
    """The pool's source of that name and kind; a policy that was the current one has two in the course of time."""
    defaults = {"kind": source.kind, "checkpoint": source.path[:300]}
    found, _ = CompletionSource.objects.get_or_create(pool=project.pool, name=source.name, defaults=defaults)
    if found.kind != source.kind:
        name = f"{source.name[: 119 - len(source.kind)]} {source.kind}"
        found, _ = CompletionSource.objects.get_or_create(pool=project.pool, name=name, defaults=defaults)
    return found


def _completion(
    prompt_id: int,
    source: CompletionSource,
    text: str,
    options: GenerationOptions,
    asked: Source,
    row: dict[str, Any],
) -> Completion:
    parameters: dict[str, Any] = {}
    if asked.row.source != POOL:
        parameters = {
            "temperature": asked.row.temperature,
            "top_p": asked.row.top_p,
            "max_new_tokens": options.max_new_tokens,
            "sample_index": row.get("sample_index"),
            "finish_reason": row.get("finish_reason", ""),
        }
        if asked.row.system:
            parameters["system"] = asked.row.system
        if asked.row.best_of > 1:
            parameters |= {"best_of": asked.row.best_of, "by": asked.row.by}
            parameters |= {name: row.get(name) for name in ("reward", "disagreement")}
    return Completion(
        prompt_id=prompt_id,
        source=source,
        text=text,
        digest=completion_digest(text),
        sampling_parameters=parameters,
        n_tokens=row.get("n_tokens"),
    )


@transaction.atomic
def _finish(generation: Generation, n_prompts: int) -> Generation:
    """Say that everything is stored. Locks the generation."""
    locked = Generation.objects.select_for_update(of=("self",)).select_related("project").get(pk=generation.pk)
    if locked.finished_at is None:
        locked.counts = {**NO_COUNTS, **locked.counts, "prompts": n_prompts}
        locked.finished_at = timezone.now()
        locked.save(update_fields=["counts", "finished_at"])
    return locked
