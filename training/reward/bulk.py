"""Scoring a file of any size: a job that asks the scorer, shard by shard, and goes on where it was."""

import posixpath
import re
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import enqueue
from annotate.projects import audit
from annotate.projects.models import Project
from training import artifacts
from training.engine.common.errors import EngineError
from training.engine.common.progress import Pace
from training.engine.scoring import bulk as engine
from training.engine.scoring.bulk_input import REJECTED, ROWS_PER_SHARD, Plan, kind_of_file, make_plan
from training.engine.scoring.client import Item, ItemScores, ScorerClient, ScorerRefused, ScorerUnavailable
from training.exports.models import ComparisonSet
from training.reward import registry
from training.reward.models import BulkScoring, RewardModel, RewardModelState
from training.reward.services import promoted_model

MAX_BAD_SHARE = 0.1
N_PARALLEL = 3
# A request holds hundreds of completions, and a large model on a CPU takes its time.
REQUEST_TIMEOUT_S = 600.0
# A scorer may be restarted while a job of hours runs; a model that it has to load first may be unknown for a while.
PATIENCE_S = 900.0
PATIENCE_UNKNOWN_S = 120.0
PAUSE_S = 2.0
# After so long others of the queue have their turn.
TURN_S = 300.0
_UPLOADS = "bulk-inputs"
_OUTPUTS = "bulk-scorings"


# --- starting -------------------------------------------------------------------------------------------------------
def request_bulk_scoring(
    *,
    project: Project,
    input_url: str,
    name: str,
    version: int | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    max_bad_share: float = MAX_BAD_SHARE,
    is_upload: bool = False,
    created_by: User | None,
) -> BulkScoring:
    """Queue the scoring of what lies at `input_url`, which is trusted: see `allowed_url` for what people send.

    `version` None: the promoted one, as it is now. The scorer keeps that version until the job has ended. Raises
    DomainError "no_reward_model", "not_found" for a version that there is not, and "not_trained".
    """
    model = require_model(project, version)
    with transaction.atomic():
        made = BulkScoring(
            project=project,
            reward_model=model,
            name=name.strip()[:200] or "input",
            input_url=input_url,
            is_upload=is_upload,
            rows_per_shard=rows_per_shard,
            max_bad_share=max_bad_share,
            created_by=created_by,
        )
        made.full_clean()
        made.save()
        made.output_url = artifacts.artifact_url(_OUTPUTS, project.slug, f"{made.pk}-{uuid.uuid4().hex[:8]}")
        made.job = enqueue(
            kind="bulk_scoring",
            title=f"Score {made.name} with v{model.version}",
            project=project,
            params={"bulk_scoring": made.pk},
            created_by=created_by,
        )
        made.save(update_fields=["output_url", "job"])
        audit.record(
            project=project,
            actor=created_by,
            action="bulk_scoring.started",
            summary=f"Scoring of {made.name} with reward model v{model.version} started",
            target=made,
            version=model.version,
        )
        transaction.on_commit(registry.sync)
    return made


def require_model(project: Project, version: int | None) -> RewardModel:
    """The version that is to score, by default the promoted one. Raises as `request_bulk_scoring`."""
    promoted = promoted_model(project)
    if promoted is None:
        raise DomainError("no_reward_model", "This project has no promoted reward model yet: run a refresh.")
    if version is None or version == promoted.version:
        return promoted
    model = RewardModel.objects.filter(project=project, version=version).first()
    if model is None:
        raise DomainError("not_found", f"There is no reward model v{version} in this project.", status=404)
    if not model.artifact_uri or model.state not in (RewardModelState.CANDIDATE, RewardModelState.RETIRED):
        raise DomainError("not_trained", f"v{version} is {model.state}: it cannot score.")
    return model


def keep_upload(*, project: Project, file: UploadedFile) -> tuple[str, str]:
    """(URL among the artifacts, name) of an uploaded file. Raises DomainError "unknown_file_kind", "file_too_large"."""
    name = PurePath(file.name or "input").name[-200:]
    if not kind_of_file(name):
        raise DomainError(
            "unknown_file_kind", f"{name}: the name should end in .parquet, .jsonl or .jsonl.gz.", status=400
        )
    if file.size is not None and file.size > settings.UPLOAD_MAX_BYTES:
        raise DomainError(
            "file_too_large",
            f"{name} has {file.size / 1024**2:,.0f} MiB; {settings.UPLOAD_MAX_BYTES / 1024**2:,.0f} are allowed. "
            "Name a place that your operator allows, or score it on the server with manage.py score.",
            status=413,
        )
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in name)[-100:]
    url = artifacts.artifact_url(_UPLOADS, project.slug, str(uuid.uuid4()), plain.lstrip("._") or "input")
    filesystem, path = artifacts.open_filesystem(url)
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with filesystem.open(path, "wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    return url, name


def allowed_url(project: Project, url: str) -> str:
    """The URL, if it lies below one of BULK_ROOTS or is one of the project's comparison sets.

    Anything else is refused, for the workers read what the caller could not: DomainError "url_not_allowed".
    """
    url = url.strip()
    sets = ComparisonSet.objects.filter(project=project, frozen_at__isnull=False).exclude(uri="")
    roots = [*settings.BULK_ROOTS, *sets.values_list("uri", flat=True)]
    place = _place(url)
    if place is None or not any(_is_below(place, root) for root in map(_place, roots)):
        where = f"below {', '.join(settings.BULK_ROOTS)}" if settings.BULK_ROOTS else "nowhere so far"
        raise DomainError(
            "url_not_allowed",
            f"{url} is not among the places that may be read here: {where} (BULK_ROOTS), and in this project's "
            "comparison sets. Upload the file, or ask your operator.",
            status=400,
        )
    return url


def _place(url: str) -> tuple[str, str] | None:
    """(protocol, path) of a URL that says plainly where it leads; None for one that climbs, chains or is none."""
    protocol, path = split_protocol(url)
    if protocol in (None, "file", "local"):
        protocol, path = "file", LocalFileSystem._strip_protocol(url)
    if not path or "::" in url or "\0" in url or "%2e" in url.lower() or ".." in re.split(r"[/\\]", path):
        return None
    return protocol, posixpath.normpath(path)


def _is_below(place: tuple[str, str], root: tuple[str, str] | None) -> bool:
    if root is None or place[0] != root[0]:
        return False
    return place[1] == root[1] or place[1].startswith(f"{root[1].rstrip('/')}/")


# --- the job --------------------------------------------------------------------------------------------------------
def score_bulk(*, scoring: BulkScoring, context: JobContext) -> BulkScoring:
    """Score what is not scored yet, then write the manifest. Rows that cannot be scored are told in rejected.jsonl.

    A run that was cut short goes on with the first shard that is not whole. Raises JobFailed "input_not_found",
    "unknown_file_kind", "unreadable_file", "empty_file", "input_changed", "version_not_served", "scorer_unavailable",
    "scorer_refused" and, when all is written, "too_many_bad_rows".
    """
    scoring.refresh_from_db()
    if not scoring.counts:
        registry.sync()  # a retried job holds its version again
        try:
            counts = _scored(scoring, context)
        except EngineError as error:
            raise JobFailed(error.code, error.message) from error
        BulkScoring.objects.filter(pk=scoring.pk).update(counts=counts)
        scoring.refresh_from_db()
    rows, rejected = scoring.counts["rows"], scoring.counts["rejected"]
    if rejected > scoring.max_bad_share * rows:
        raise JobFailed(
            "too_many_bad_rows",
            f"{rejected:,} of {rows:,} rows could not be scored, more than {scoring.max_bad_share:.0%}. "
            f"{REJECTED} says which and why; the other rows are scored.",
        )
    return scoring


def _scored(scoring: BulkScoring, context: JobContext) -> dict[str, int]:
    """Counts of the whole input, all of it scored."""
    output = engine.Output(scoring.output_url)
    if (manifest := output.read_json(engine.MANIFEST)) is not None:
        return dict(manifest["counts"])  # only this row was not written any more
    plan = _plan(scoring, output, context)
    model = scoring.reward_model
    turn = _Turn(context)
    pace: Pace | None = None

    def on_rows(n_rows: int) -> None:
        nonlocal pace
        pace = pace or Pace(done=n_rows)
        said = f"{pace.rate(n_rows):,.0f} rows/s, ETA {pace.eta(n_rows, plan.n_rows)}"
        context.progress(n_rows, plan.n_rows, unit="rows", message=said if pace.rate(n_rows) else "")

    def on_wait() -> None:
        context.progress(message=f"waits for the scorer: {asker.problem}" if asker.problem else "")

    with _Asker(scoring) as asker:
        counts = engine.score_shards(
            plan,
            output,
            asker,
            model=scoring.project.slug,
            version=model.version,
            n_parallel=N_PARALLEL,
            on_rows=on_rows,
            on_wait=on_wait,
            on_shard=lambda _: turn.end_of_shard(),
        )
    context.save_checkpoint()  # whoever lost the claim says nothing about the whole
    engine.write_manifest(
        plan,
        output,
        counts,
        on_shard=lambda _: context.progress(message="takes the digests"),
        project=scoring.project.slug,
        model=scoring.project.slug,
        version=model.version,
        input=scoring.name,
    )
    return counts


def _plan(scoring: BulkScoring, output: engine.Output, context: JobContext) -> Plan:
    """How the input is cut, settled by the first run."""
    if (kept := output.read_json(engine.PLAN)) is not None:
        context.log("goes on with the first shard that is not there yet")
        return Plan.from_json(kept)
    context.progress(message="looks the input through")
    plan = make_plan(
        scoring.input_url,
        scoring.rows_per_shard,
        lambda n_rows: context.progress(message=f"looks the input through: {n_rows:,} rows"),
    )
    if plan.n_rows == 0:
        raise JobFailed("empty_file", f"There is no row in {scoring.name}.")
    if plan.replaced:
        context.log(f"columns of the input that the scores replace: {', '.join(plan.replaced)}", level="warning")
    output.write_json(engine.PLAN, plan.to_json())
    return plan


class _Turn:
    """Lets other jobs of the queue have their turn, between two shards: this one may take days."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._began = time.monotonic()

    def end_of_shard(self) -> None:
        if time.monotonic() - self._began < TURN_S:
            return
        job = self._context.job
        if Job.objects.filter(queue=job.queue, state=JobState.QUEUED, cancel_requested_at=None).exists():
            self._context.log("lets others of its queue go first")
            self._context.shut_down()
            self._context.check()
        self._began = time.monotonic()


class _Asker:
    """Rewards of one version, from several threads; waits where the scorer is away for a while."""

    def __init__(self, scoring: BulkScoring) -> None:
        self._scoring = scoring
        self._label = f"{scoring.project.slug}@{scoring.reward_model.version}"
        # Named, so that the scorer shares itself out between this job and everybody else.
        self._client = ScorerClient(
            settings.SCORER_URL,
            settings.SCORER_TOKEN,
            timeout_s=REQUEST_TIMEOUT_S,
            n_retries=0,  # trying again is done here, with an eye on the job
            client_id=f"bulk-{scoring.job_id}",
        )
        self._stop = threading.Event()
        self.problem = ""

    def __enter__(self) -> "_Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._client.close()

    def __call__(self, items: Sequence[Item]) -> Sequence[ItemScores]:
        began = time.monotonic()
        unknown_since: float | None = None
        while True:
            try:
                scores = self._client.score(self._label, items)
            except ScorerRefused as error:
                raise JobFailed("scorer_refused", error.message) from error
            except ScorerUnavailable as error:
                now = time.monotonic()
                # Counted anew after every other trouble: a scorer that was away has to load its models first.
                unknown_since = (unknown_since or now) if error.code == "unknown_model" else None
                self._be_patient(error, now - began, 0.0 if unknown_since is None else now - unknown_since)
                continue
            if scores.version != self._scoring.reward_model.version:
                raise JobFailed("version_not_served", f"{self._label} was asked for and v{scores.version} answered.")
            self.problem = ""
            return scores.items

    def _be_patient(self, error: ScorerUnavailable, waited_s: float, unknown_s: float) -> None:
        if unknown_s > PATIENCE_UNKNOWN_S:
            raise JobFailed(
                "version_not_served",
                f"v{self._scoring.reward_model.version} is no longer served, and versions are not mixed. "
                f"{error.message} What is scored is kept: put it into use again and retry, or start anew with another.",
            )
        if waited_s > PATIENCE_S:
            raise JobFailed("scorer_unavailable", f"{error.message} What is scored is kept: retry when it is back.")
        self.problem = error.message
        if self._stop.wait(PAUSE_S):
            raise error


def ended(*, job: Job) -> None:
    """After the job: the scorer need not hold its version any more, and an upload that was scored is not needed."""
    scoring = BulkScoring.objects.filter(job=job).first()
    if scoring is None:
        return
    transaction.on_commit(registry.sync, robust=True)
    if scoring.is_upload and (job.state == JobState.SUCCEEDED or scoring.counts):
        directory = scoring.input_url.rpartition("/")[0]
        transaction.on_commit(lambda: artifacts.remove(directory), robust=True)


# --- reading --------------------------------------------------------------------------------------------------------
def manifest_of(scoring: BulkScoring) -> dict[str, Any] | None:
    """The manifest, once all rows are done."""
    if not scoring.counts:
        return None
    found: dict[str, Any] | None = engine.Output(scoring.output_url).read_json(engine.MANIFEST)
    return found
