"""Scoring a large round together: its prompts are cut into shards that the workers of the queue take from one table.

A shard belongs to a job's claim. Who has lost the job, because it was killed, cancelled or stopped, has lost the shard
with it, and the next one takes it: there is no heartbeat but the job's. The round's own job takes shards like its
helpers, so one worker alone finishes too. Files lie below ARTIFACTS_URL, which all workers see.
"""

import contextlib
import itertools
import math
import shutil
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.jobs.context import ClaimLost, JobContext, PartContext, ShuttingDown
from annotate.jobs.models import FINISHED, Job, JobState
from annotate.jobs.services import enqueue, request_cancel, withdraw
from training import artifacts
from training.engine.common.atomic import write_json
from training.sampling.models import SamplingRound, ScoringShard

HELPER = "score_shards"
# The engine's default: shards are whole numbers of parts, so that a prompt is scored beside the same others as in a
# round that is not cut, and so to the same digit.
PROMPTS_PER_PART = 64
WAIT_S = 0.5
CANDIDATES, LABELLED = "candidates.jsonl", "labelled.jsonl"


def prompts_per_shard() -> int:
    """A round of more prompts is cut. SAMPLING_SHARD_PROMPTS, made up to whole parts."""
    return math.ceil(settings.SAMPLING_SHARD_PROMPTS / PROMPTS_PER_PART) * PROMPTS_PER_PART


# --- cutting --------------------------------------------------------------------------------------------------------
def cut(sampling_round: SamplingRound, candidates: Path, labelled: Path, run: Path, context: JobContext) -> None:
    """Write the shards' files and then all their rows at once. One that is cut short begins anew, in another place."""
    place = f"{_place(sampling_round)}/{uuid.uuid4().hex[:8]}"
    made = []
    with open(candidates, encoding="utf-8") as asked, open(labelled, encoding="utf-8") as known:
        for number in itertools.count():
            folder = run / "cut"
            folder.mkdir(exist_ok=True)
            sizes = [_copy_lines(source, folder / name) for source, name in ((asked, CANDIDATES), (known, LABELLED))]
            if not any(sizes):
                break
            url = artifacts.publish_directory(folder, f"{place}/{number:05d}")
            made.append(ScoringShard(sampling_round=sampling_round, number=number, n_prompts=sizes[0], url=url))
            context.progress(message=f"cut into {len(made)} shards")
    ScoringShard.objects.bulk_create(made)


def _copy_lines(source: TextIO, target: Path) -> int:
    """The next shard's lines; how many there were."""
    lines = itertools.islice(source, prompts_per_shard())
    with open(target, "w", encoding="utf-8") as file:
        return sum(1 for _ in map(file.write, lines))


def _place(sampling_round: SamplingRound) -> str:
    """Below this lies all that is written of a round's shards, also what was begun and left."""
    return artifacts.artifact_url("sampling-shards", sampling_round.project.slug, sampling_round.pk)


def forget_shards(sampling_round: SamplingRound) -> None:
    """Remove the shards of a round that is drawn: their rows, and after the commit their files."""
    if not sampling_round.scoring_shards.exists():
        return
    sampling_round.scoring_shards.all().delete()
    place = _place(sampling_round)
    transaction.on_commit(lambda: artifacts.remove(place), robust=True)


# --- taking ---------------------------------------------------------------------------------------------------------
def _held() -> Exists:
    """Whether a shard's job still has the claim by which it took it, and was heard of lately."""
    heard_since = timezone.now() - timedelta(seconds=settings.JOB_LOST_AFTER_S)
    return Exists(
        Job.objects.filter(
            pk=OuterRef("job"), claim=OuterRef("claim"), state=JobState.RUNNING, heartbeat_at__gte=heard_since
        )
    )


@transaction.atomic
def take_shard(*, sampling_round: SamplingRound, job: Job) -> ScoringShard | None:
    """The first shard that is neither scored nor anybody's, for this job's claim; None where there is none.

    Locks the shard's row; rows that another is just taking are passed over.
    """
    waiting = ScoringShard.objects.filter(~_held(), sampling_round=sampling_round, scored_url="")
    shard = waiting.select_for_update(skip_locked=True, of=("self",)).order_by("number").first()
    if shard is not None:
        shard.job, shard.claim = job, job.claim
        shard.save(update_fields=["job", "claim"])
    return shard


def _put_down(shard: ScoringShard, scored_url: str) -> bool:
    """Say where a shard's scores lie. False where it is no longer this job's."""
    mine = ScoringShard.objects.filter(pk=shard.pk, job=shard.job_id, claim=shard.claim, scored_url="")
    return bool(mine.update(scored_url=scored_url))


# --- scoring --------------------------------------------------------------------------------------------------------
def score_shard(*, sampling_round: SamplingRound, shard: ScoringShard, context: JobContext) -> None:
    """Score a shard that `context`'s job has taken. The same job on the same machine goes on from the last part."""
    run = artifacts.run_directory(context.job.pk, f"sampling-{sampling_round.number}-shard-{shard.number}")
    given = artifacts.fetch_directory(shard.url, run / "in")
    config = {
        "n_threads": settings.ENGINE_THREADS,
        "model": str(artifacts.local_directory(sampling_round.reward_model.artifact_uri)),
        "candidates": str(given / CANDIDATES),
        "labelled": str(given / LABELLED),
        "out_dir": str(run / "out"),
        "seed": sampling_round.seed,
        "prompts_per_part": PROMPTS_PER_PART,
    }
    write_json(run / "score.json", config)
    n_shards, n_done, n_prompts = _how_far(sampling_round)
    label = f"shard {shard.number + 1} of {n_shards}"
    command = [sys.executable, "-m", "training.engine.sampling", "score", "--config", str(run / "score.json")]
    end = n_done + shard.n_prompts
    view = PartContext(context, label, start=n_done, end=end, whole_total=n_prompts, unit="prompts")
    view.show(n_done)
    view.run_process(command, what=f"Scoring {label}")
    # A name of its own: if somebody else has the shard by now, neither writes where the other does.
    scored = artifacts.publish_directory(run / "out", f"{shard.url}-scored-{uuid.uuid4().hex[:8]}")
    if not _put_down(shard, scored):
        artifacts.remove(scored)
    shutil.rmtree(run, ignore_errors=True)


def _how_far(sampling_round: SamplingRound) -> tuple[int, int, int]:
    """(shards, prompts scored, prompts) of the round."""
    found = sampling_round.scoring_shards.aggregate(
        n_shards=Count("pk"), n_done=Sum("n_prompts", filter=~Q(scored_url="")), n_prompts=Sum("n_prompts")
    )
    return found["n_shards"], found["n_done"] or 0, found["n_prompts"] or 0


def score_together(sampling_round: SamplingRound, context: JobContext) -> list[Path]:
    """Have all shards scored, by this job and by whoever helps; local directories of the scores, in the shards' order.

    A shard whose scoring fails elsewhere is free again, so what is wrong with it is told by this job in the end.
    """
    shards = sampling_round.scoring_shards
    _ask_for_help(sampling_round, context)
    try:
        while shards.filter(scored_url="").exists():
            shard = take_shard(sampling_round=sampling_round, job=context.job)
            if shard is not None:
                score_shard(sampling_round=sampling_round, shard=shard, context=context)
                continue
            n_shards, n_done, n_prompts = _how_far(sampling_round)
            n_waiting = shards.filter(scored_url="").count()
            message = f"{n_waiting} of {n_shards} shards are still with other workers"
            context.progress(n_done, n_prompts, unit="prompts", message=message)
            time.sleep(WAIT_S)
    except (ClaimLost, ShuttingDown):
        raise  # whoever goes on with the round finds its helpers at work
    except BaseException:
        dismiss_helpers(context.job)
        raise
    _withdraw_offers(context.job)
    found = list(shards.order_by("number"))
    n_workers = len({shard.job_id for shard in found})
    context.log(f"{len(found)} shards were scored by {n_workers} worker{'s' if n_workers > 1 else ''}")
    run = artifacts.run_directory(context.job.pk, f"sampling-{sampling_round.number}")
    return [artifacts.fetch_directory(one.scored_url, run / f"scored-{one.number:05d}") for one in found]


# --- helpers --------------------------------------------------------------------------------------------------------
def _helpers(job: Job) -> QuerySet[Job]:
    """Jobs that help a job and have not ended."""
    theirs = Job.objects.filter(project=job.project_id, kind=HELPER, params__job=str(job.pk))
    return theirs.exclude(state__in=FINISHED)


@transaction.atomic
def _ask_for_help(sampling_round: SamplingRound, context: JobContext) -> None:
    """Offer the shards to as many other workers as may help. Those of before a lost worker count."""
    n_open = sampling_round.scoring_shards.filter(scored_url="").count()
    n_wanted = min(settings.SAMPLING_HELPERS, n_open - 1) - _helpers(context.job).count()
    for _ in range(n_wanted):
        enqueue(
            kind=HELPER,
            title=f"Sampling round {sampling_round.number}: scores a share",
            project=sampling_round.project,
            params={"sampling_round": sampling_round.pk, "job": str(context.job.pk)},
            created_by=sampling_round.created_by,
        )


def _withdraw_offers(job: Job) -> None:
    """What nobody has taken up leaves no trace; who is at work finds nothing more to do."""
    withdraw(jobs=_helpers(job))


def dismiss_helpers(job: Job) -> None:
    """Stop whoever helps a job that has ended without its round."""
    _withdraw_offers(job)
    for helper in _helpers(job):
        with contextlib.suppress(DomainError):  # it has ended meanwhile
            request_cancel(job=helper)


def help_score(*, sampling_round: SamplingRound, context: JobContext) -> int:
    """Score shards as long as there are any to take and the round is wanted; returns how many.

    Between two shards other jobs of the queue go first: the round is drawn without help too.
    """
    wanted = Job.objects.filter(pk=context.job.params["job"], cancel_requested_at=None).exclude(state__in=FINISHED)
    n_scored = 0
    while wanted.exists():
        shard = take_shard(sampling_round=sampling_round, job=context.job)
        if shard is None:
            break
        score_shard(sampling_round=sampling_round, shard=shard, context=context)
        n_scored += 1
        waiting = Job.objects.filter(queue=context.job.queue, state=JobState.QUEUED, cancel_requested_at=None)
        if waiting.exclude(kind=HELPER).exists():
            context.shut_down()  # gives the job back, behind the others
            context.check()
    return n_scored
