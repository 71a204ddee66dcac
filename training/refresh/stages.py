"""The stages of a refresh, one function each: (cycle, its config, context) -> what came of it.

Each may be called again after a lost worker. It first looks at what is there (a row it made, a file that is whole) and
does only what is missing, so nothing is made twice. One that has nothing to work on leaves itself out and says why; one
that needs people waits, and the job ends there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from annotate.jobs.context import JobContext, JobFailed
from training.drift import services as drift_reports
from training.drift.models import Verdict
from training.engine.scoring.client import ScorerClient, ScorerRefused, ScorerUnavailable
from training.exports.services import create_comparison_set, write_comparison_set
from training.generation import services as generation
from training.policy.models import Checkpoint
from training.policy.services import BaseModel, resolve_base_model
from training.refresh.config import RefreshConfig
from training.refresh.labelling import labelling_of
from training.refresh.models import RefreshCycle, StageName, StageState
from training.refresh.ratings import require_enough
from training.reward import registry
from training.reward import services as reward
from training.reward.models import RewardModel, RewardModelState
from training.sampling import services as sampling

NOT_ASKED = "New ratings are not asked for."
NO_MODEL = "No reward model is trained yet that could choose: this refresh trains the first one."
# A scorer looks at its list every second or two and loads a model of ours in a few.
SWAP_S = 120.0
SWAP_POLL_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: its state (succeeded, skipped or waiting) and a sentence."""

    summary: str
    state: StageState = StageState.SUCCEEDED


def _skipped(why: str) -> Outcome:
    return Outcome(why, StageState.SKIPPED)


def _waiting(what: str) -> Outcome:
    return Outcome(what, StageState.WAITING)


Stage = Callable[[RefreshCycle, RefreshConfig, JobContext], Outcome]


# --- what the policy writes now, and what of it is asked -------------------------------------------------------------
def drift(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if not config.ask:
        return _skipped(NOT_ASKED)
    model = reward.promoted_model(cycle.project)
    if model is None:
        return _skipped("No reward model is in use that could have drifted.")
    if cycle.drift_report is None:
        with transaction.atomic():
            cycle.drift_report = drift_reports.create_drift_report(
                project=cycle.project, model=model, job=cycle.job, created_by=cycle.created_by
            )
            cycle.save(update_fields=["drift_report"])
    report = drift_reports.run_drift_report(report=cycle.drift_report, context=context)
    verdict = str(Verdict(report.verdict).label).lower()
    return Outcome(f"Drift report {report.number} on v{report.reward_model.version}: {verdict}.")


def candidates(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if not config.ask:
        return _skipped(NOT_ASKED)
    if _chooser(cycle) is None:
        return _skipped(NO_MODEL)
    if config.candidates is None:
        return _skipped("No new completions are asked for: pairs are chosen from the pool as it is.")
    if cycle.generation is None:
        try:
            with transaction.atomic():
                cycle.generation = generation.create_generation(
                    project=cycle.project, options=config.candidates, job=cycle.job, created_by=cycle.created_by
                )
                cycle.save(update_fields=["generation"])
        except ValidationError as error:  # there when the refresh was started
            raise JobFailed("source_gone", f"{' '.join(error.messages)} Change the stage, or leave it out.") from error
    written = generation.run_generation(generation=cycle.generation, context=context, base=config.base)
    counts = written.counts
    n_dropped = sum(counts["dropped"].values())
    return Outcome(
        f"{counts['written']} completions of {counts['prompts']} prompts written, {n_dropped} dropped, which said the "
        f"same as another or were refused; {counts['already_there']} were there."
    )


def sample(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if not config.ask:
        return _skipped(NOT_ASKED)
    chooser = _chooser(cycle)
    if chooser is None:
        return _skipped(NO_MODEL)
    if cycle.sampling_round is None:
        with transaction.atomic():
            cycle.sampling_round = sampling.create_round(
                project=cycle.project,
                model=chooser,
                options=config.sampling,
                job=cycle.job,
                created_by=cycle.created_by,
                generation=cycle.generation,
            )
            cycle.save(update_fields=["sampling_round"])
    finished = sampling.run_round(sampling_round=cycle.sampling_round, context=context)
    n_chosen = finished.sampled_comparisons.count()
    if n_chosen == 0:
        return Outcome("Nothing to ask for: every pair of completions in the pool has ratings, is flagged or is gold.")
    n_random = finished.sampled_comparisons.filter(is_random=True).count()
    chosen_by = finished.reward_model
    in_use = "" if chosen_by.state == RewardModelState.PROMOTED else ", which is not promoted"
    return Outcome(
        f"{n_chosen} comparisons of {finished.n_candidates} candidates put on top of the queue, {n_random} of them "
        f"drawn at random; chosen by v{chosen_by.version}{in_use}."
    )


def label(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if not config.ask:
        return _skipped(NOT_ASKED)
    if cycle.sampling_round is None:
        return _skipped("No comparisons were chosen to be asked for.")
    found = labelling_of(cycle.sampling_round, config.labelling)
    if found.n_asked == 0:
        return _skipped("The sampling round has no comparisons to be rated.")
    return Outcome(found.told()) if found.is_met else _waiting(found.told())


def _chooser(cycle: RefreshCycle) -> RewardModel | None:
    """The model in use; before there is one, the newest that was trained."""
    trained = RewardModel.objects.filter(project=cycle.project, state=RewardModelState.CANDIDATE)
    return reward.promoted_model(cycle.project) or trained.order_by("-version").first()


# --- from ratings to a reward model ----------------------------------------------------------------------------------
def export(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if cycle.comparison_set is None:
        require_enough(cycle.project, config.spec)
        with transaction.atomic():
            cycle.comparison_set = create_comparison_set(
                project=cycle.project,
                spec=config.spec,
                name=f"Refresh {cycle.number}",
                job=cycle.job,
                created_by=cycle.created_by,
            )
            cycle.save(update_fields=["comparison_set"])
    written = write_comparison_set(comparison_set=cycle.comparison_set, context=context)
    counts = written.counts
    return Outcome(
        f"{counts['comparisons']} comparisons with {counts['ratings']} ratings of {counts['labellers']} labellers: "
        f"{counts['train']} train, {counts['validation']} validation, {counts['test']} test."
    )


def base(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if cycle.comparison_set is None:
        return _skipped("There is no comparison set to train on.")
    if config.training.is_continued:
        return _skipped("Training continues from the promoted reward model.")
    found = resolve_base_model(pool=cycle.project.pool, name=config.base_model, context=context, overrides=config.base)
    checkpoint = found.checkpoint.pk if found.checkpoint else None
    context.save_checkpoint(base={"path": found.path, "name": found.name, "checkpoint": checkpoint})
    if found.checkpoint is None:
        return Outcome(f"{found.name}, a model made elsewhere.")
    size = found.checkpoint.metrics.get("n_parameters") or (
        found.checkpoint.parent.metrics.get("n_parameters") if found.checkpoint.parent else None
    )
    return Outcome(f"{found.name}, made from this project's own texts" + (f" ({size:,} parameters)." if size else "."))


def train(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    if cycle.comparison_set is None:
        return _skipped("There is no comparison set to train on.")
    if cycle.reward_model is None:
        with transaction.atomic():
            cycle.reward_model = reward.register(
                project=cycle.project,
                comparison_set=cycle.comparison_set,
                base_model=config.base_model,
                options=config.training,
                job=cycle.job,
                created_by=cycle.created_by,
            )
            cycle.save(update_fields=["reward_model"])
    # A training that goes on takes the base of the model that it goes on from.
    found = None if config.training.is_continued else _base(cycle, config, context)
    model = reward.train_reward_model(model=cycle.reward_model, base=found, context=context)
    summary = model.report["training"]
    return Outcome(
        f"v{model.version} trained on {summary['n_train']} comparisons in {summary['n_steps']} updates, "
        f"{summary['seconds']:.0f} s; best validation loss at update {summary['best_step']}."
    )


def _base(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> BaseModel:
    """What the stage before found; found again where that was left out, or this job goes on on another machine."""
    found = context.checkpoint.get("base")
    if found is None or (found["checkpoint"] and not Path(found["path"]).is_dir()):
        pool = cycle.project.pool
        return resolve_base_model(pool=pool, name=config.base_model, context=context, overrides=config.base)
    checkpoint = Checkpoint.objects.get(pk=found["checkpoint"]) if found["checkpoint"] else None
    return BaseModel(found["path"], found["name"], checkpoint)


def evaluate(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    model = cycle.reward_model
    if model is None or not model.artifact_uri:
        return _skipped("No reward model was trained.")
    model = reward.evaluate_reward_model(model=model, context=context)
    try:  # so that earlier rounds can say what their labels brought
        sampling.judge_rounds(model=model, context=context)
    except JobFailed as failure:
        context.log(f"Earlier rounds could not be judged by v{model.version}: {failure.message}", "warning")
    accuracy = model.report.get("accuracy") or {}
    if accuracy.get("value") is None:
        return Outcome("There are no held-out comparisons.")
    baselines = model.report["baselines"]
    return Outcome(
        f"Held-out accuracy {accuracy['value']:.1%} over {accuracy['n']} comparisons; "
        f"longer is better {baselines['longer']['value']:.1%}, always a {baselines['always_a']['value']:.1%}."
    )


def promote(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    model = cycle.reward_model
    if model is None or not model.artifact_uri:
        return _skipped("No reward model was trained.")
    if config.promotion == "hand":
        return promoted_by_hand(cycle)
    return Outcome(reward.promote_by_rule(model=model).reason)


def promoted_by_hand(cycle: RefreshCycle) -> Outcome:
    """Waiting as long as the model is a candidate: a person promotes it on its page, or leaves the stage out."""
    assert cycle.reward_model is not None
    model = RewardModel.objects.get(pk=cycle.reward_model.pk)
    if model.state == RewardModelState.CANDIDATE:
        return _waiting(f"v{model.version} is a candidate: promote it, or go on without.")
    return Outcome(f"v{model.version} is {model.state}: {model.state_reason}"[:500])


def swap(cycle: RefreshCycle, config: RefreshConfig, context: JobContext) -> Outcome:
    """Wait until the scorer answers with the promoted version. Raises JobFailed "not_swapped" for one that does not."""
    model = cycle.reward_model
    if model is None or RewardModel.objects.get(pk=model.pk).state != RewardModelState.PROMOTED:
        return _skipped("No reward model was promoted.")
    registry.sync()
    deadline = time.monotonic() + SWAP_S
    while True:
        context.check()
        try:
            with ScorerClient(settings.SCORER_URL, settings.SCORER_TOKEN, timeout_s=10.0, n_retries=0) as scorer:
                served = [one["version"] for one in scorer.models() if one["name"] == cycle.project.slug]
        except (ScorerUnavailable, ScorerRefused) as error:
            return Outcome(f"v{model.version} is on the scorer's list. It was not asked: {error.message}"[:500])
        if served and served[0] == model.version:
            return Outcome(f"The scorer answers with v{model.version}.")
        if time.monotonic() > deadline:
            told = f"still answers with v{served[0]}" if served else "does not serve this project yet"
            raise JobFailed(
                "not_swapped",
                f"The scorer {told} after {SWAP_S:.0f} s. Its /readyz says why; retry when that is mended.",
            )
        time.sleep(SWAP_POLL_S)


STAGES: dict[str, Stage] = {
    StageName.DRIFT: drift,
    StageName.CANDIDATES: candidates,
    StageName.SAMPLE: sample,
    StageName.LABEL: label,
    StageName.EXPORT: export,
    StageName.BASE: base,
    StageName.TRAIN: train,
    StageName.EVALUATE: evaluate,
    StageName.PROMOTE: promote,
    StageName.SWAP: swap,
}
