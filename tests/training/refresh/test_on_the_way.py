"""What people may change of a refresh on its way: leaving out, putting back, changing, cancelling, retrying."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.jobs import services as jobs
from annotate.jobs.context import JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.projects.models import AuditEvent
from tests.cast import Cast, make_comparisons
from tests.training.real import load_pandalm, tiny_config
from tests.training.reward.registered import make_model
from training.generation.models import Generation
from training.refresh import services, stages
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, StageName, StageState
from training.refresh.services import (
    advance_waiting,
    cancel_refresh,
    edit_stage,
    restore_stage,
    retry_refresh,
    skip_stage,
    start_refresh,
)
from training.reward.models import RewardModel, RewardModelState
from training.sampling.models import SampledComparison, SamplingRound

N_ASKED = 10


def claimed(cycle: RefreshCycle) -> Job:
    job = jobs.claim(job_id=cycle.job_id, worker="test")
    assert job is not None
    return job


def set_stages(cycle: RefreshCycle, **states: str) -> None:
    for name, state in states.items():
        over = timezone.now() if state in ("succeeded", "skipped", "failed") else None
        cycle.stages.filter(name=name).update(state=state, started_at=timezone.now(), finished_at=over)


@pytest.fixture
def waiting(cast: Cast) -> RefreshCycle:
    """A refresh that asked for ten comparisons and waits for their labels."""
    model = make_model(cast.project, RewardModelState.PROMOTED)
    cycle = start_refresh(project=cast.project, config=tiny_config(budget=N_ASKED), created_by=cast.researcher)
    job = claimed(cycle)
    made = SamplingRound.objects.create(
        project=cast.project, number=1, reward_model=model, acquisition="random", budget=N_ASKED, seed=1, job=job,
        finished_at=timezone.now(),
    )  # fmt: skip
    for rank, comparison in enumerate(make_comparisons(cast.project, N_ASKED)):
        SampledComparison.objects.create(sampling_round=made, comparison=comparison, rank=rank, is_random=True)
    cycle.sampling_round = made
    cycle.save()
    set_stages(cycle, drift="succeeded", candidates="skipped", sample="succeeded", label="waiting")
    assert jobs.succeed(job=job, result={})
    cycle.refresh_from_db()
    return cycle


def label(n: int) -> None:
    """So many of the comparisons need no rating any more."""
    chosen = SampledComparison.objects.order_by("rank").values_list("comparison", flat=True)[:n]
    Comparison.objects.filter(pk__in=list(chosen)).update(state="complete")


def state_of(cycle: RefreshCycle, name: str) -> str:
    return cycle.stages.get(name=name).state


def refused(code: str):
    return pytest.raises(DomainError, check=lambda error: error.code == code)


def test_a_source_of_completions_that_there_is_not_is_refused_at_the_start(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    config = RefreshConfig.parse({"candidates": {"mix": [{"source": "checkpoint:999"}]}})
    with pytest.raises(ValidationError) as refusal:
        start_refresh(project=cast.project, config=config)
    assert list(refusal.value.message_dict) == ["candidates.mix.0.source"]
    assert not Job.objects.exists()


def test_a_source_that_has_gone_since_fails_the_stage_with_what_to_do(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    cycle = start_refresh(project=cast.project, config=RefreshConfig())
    config = RefreshConfig.parse({"candidates": {"mix": [{"source": "checkpoint:999"}]}})
    with pytest.raises(JobFailed, match=r"no checkpoint 999 .* leave it out"):
        stages.candidates(cycle, config, JobContext(claimed(cycle)))
    assert not Generation.objects.exists()


# --- waiting ---------------------------------------------------------------------------------------------------------
def test_it_waits_without_a_job_and_the_project_is_not_free(cast, waiting):
    assert (waiting.state, waiting.finished_at) == ("waiting", None)
    assert not Job.objects.filter(state__in=["queued", "running"]).exists()
    with refused("refresh_running"):
        start_refresh(project=cast.project, config=tiny_config())


def test_it_goes_on_when_the_target_is_met_and_only_then(waiting):
    label(8)
    assert advance_waiting() == 0
    assert waiting.stages.get(name="label").summary.startswith("8 of 10 comparisons are labelled")
    label(9)
    assert advance_waiting() == 1
    waiting.refresh_from_db()
    assert waiting.state == "running" and state_of(waiting, "label") == "succeeded"
    assert Job.objects.filter(state="queued").get() == waiting.job
    assert advance_waiting() == 0


def test_a_withdrawn_comparison_is_not_waited_for(waiting):
    SampledComparison.objects.filter(rank__gte=5).update(is_withdrawn=True)
    label(5)
    assert advance_waiting() == 1


def test_it_goes_on_when_the_days_are_over(cast, waiting):
    edit_stage(cycle=waiting, name="label", value={"max_days": 3}, actor=cast.researcher)
    waiting.stages.filter(name="label").update(started_at=timezone.now() - timedelta(days=2, hours=23))
    assert advance_waiting() == 0
    waiting.stages.filter(name="label").update(started_at=timezone.now() - timedelta(days=3, minutes=1))
    assert advance_waiting() == 1
    assert "3 days are over: 0 of 10" in waiting.stages.get(name="label").summary


def test_its_target_may_change_while_it_waits(cast, waiting):
    label(5)
    edit_stage(cycle=waiting, name="label", value={"target_share": 0.5}, actor=cast.researcher)
    assert advance_waiting() == 1


def test_it_waits_for_a_promotion_by_hand(cast, waiting):
    edit_stage(cycle=waiting, name="promote", value="hand", actor=cast.researcher)
    label(10)
    advance_waiting()
    waiting.refresh_from_db()
    job = claimed(waiting)
    model = make_model(cast.project, RewardModelState.CANDIDATE, version=2)
    RefreshCycle.objects.filter(pk=waiting.pk).update(reward_model=model)
    done = dict.fromkeys(("export", "base", "train", "evaluate"), "succeeded")
    set_stages(waiting, **done, promote="waiting")
    jobs.succeed(job=job, result={})
    waiting.refresh_from_db()
    assert waiting.state == "waiting" and advance_waiting() == 0
    services_promote(model)
    assert advance_waiting() == 1
    assert waiting.stages.get(name="promote").summary == "v2 is promoted: looks good"


def services_promote(model: RewardModel) -> None:
    from training.reward.services import promote

    promote(model=model, reason="looks good", actor=None)


# --- leaving out -----------------------------------------------------------------------------------------------------
def test_leaving_labelling_out_goes_on_at_once_with_the_reason(cast, waiting):
    skip_stage(cycle=waiting, name="label", reason="enough for today", actor=cast.researcher)
    waiting.refresh_from_db()
    stage = waiting.stages.get(name="label")
    assert (stage.state, stage.summary, stage.is_skipped_by_hand) == ("skipped", "enough for today", True)
    assert waiting.state == "running" and waiting.job.state == "queued"
    event = AuditEvent.objects.get(action="refresh.stage_skipped")
    assert event.actor == cast.researcher and "enough for today" in event.summary


def test_a_pending_stage_is_left_out_when_its_turn_comes_and_may_be_put_back(cast, waiting):
    skip_stage(cycle=waiting, name="evaluate", reason="no time", actor=cast.researcher)
    waiting.refresh_from_db()
    assert waiting.state == "waiting"
    restore_stage(cycle=waiting, name="evaluate", actor=cast.researcher)
    stage = waiting.stages.get(name="evaluate")
    assert (stage.state, stage.summary, stage.is_skipped_by_hand, stage.finished_at) == ("pending", "", False, None)


def test_what_is_past_is_neither_left_out_nor_put_back_nor_changed(cast, waiting):
    for name in ("drift", "candidates", "sample"):
        with refused("not_skippable"):
            skip_stage(cycle=waiting, name=name, reason="x", actor=None)
        with refused("not_restorable"):
            restore_stage(cycle=waiting, name=name, actor=None)
        with refused("not_editable"):
            edit_stage(cycle=waiting, name=name, value={}, actor=None)
    skip_stage(cycle=waiting, name="label", reason="x", actor=None)
    claimed(RefreshCycle.objects.get())
    services.begin_next_stage(cycle=waiting)
    with refused("not_restorable"):
        restore_stage(cycle=waiting, name="label", actor=None)


def test_leaving_out_a_failed_stage_goes_on_with_its_job(cast, waiting):
    label(10)
    advance_waiting()
    waiting.refresh_from_db()
    job = claimed(waiting)
    set_stages(waiting, export="succeeded", base="running")
    jobs.fail(job=job, code="oops", message="the disk is full")
    waiting.refresh_from_db()
    assert (waiting.state, state_of(waiting, "base")) == ("failed", "failed")
    assert waiting.stages.get(name="base").summary == "the disk is full"
    skip_stage(cycle=waiting, name="base", reason="found in training", actor=cast.researcher)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.job_id, waiting.job.state) == ("running", job.pk, "queued")
    assert waiting.finished_at is None


def test_a_model_whose_evaluation_is_left_out_is_a_candidate(cast, waiting):
    label(10)
    advance_waiting()
    waiting.refresh_from_db()
    job = claimed(waiting)
    model = make_model(cast.project, RewardModelState.CANDIDATE, version=2)
    RewardModel.objects.filter(pk=model.pk).update(state="training", artifact_uri="/models/2")
    RefreshCycle.objects.filter(pk=waiting.pk).update(reward_model=model)
    set_stages(waiting, export="succeeded", base="succeeded", train="succeeded", evaluate="running")
    jobs.fail(job=job, code="oops", message="no")
    skip_stage(cycle=waiting, name="evaluate", reason="its report is broken", actor=None)
    model.refresh_from_db()
    assert (model.state, model.state_reason) == ("candidate", "Not evaluated: its report is broken")


# --- changing --------------------------------------------------------------------------------------------------------
def test_a_stage_is_changed_before_it_begins_and_the_change_is_written_down(cast, waiting):
    edit_stage(cycle=waiting, name="train", value={"epochs": 7}, actor=cast.researcher)
    waiting.refresh_from_db()
    assert waiting.config["training"] == {"epochs": 7}
    event = AuditEvent.objects.get(action="refresh.stage_edited")
    assert event.details["training"][1] == {"epochs": 7}


def test_a_wrong_change_is_refused_by_field_and_changes_nothing(cast, waiting):
    before = waiting.config
    with pytest.raises(ValidationError) as refusal:
        edit_stage(cycle=waiting, name="train", value={"epochs": 0}, actor=None)
    assert "training.epochs" in refusal.value.message_dict
    waiting.refresh_from_db()
    assert waiting.config == before


def test_stages_without_options_have_nothing_to_change(waiting):
    for name in ("evaluate", "swap"):
        with refused("not_editable"):
            edit_stage(cycle=waiting, name=name, value={}, actor=None)


def test_a_failed_training_with_other_options_is_another_model(cast, waiting):
    label(10)
    advance_waiting()
    waiting.refresh_from_db()
    job = claimed(waiting)
    model = make_model(cast.project, RewardModelState.FAILED, version=2)
    RefreshCycle.objects.filter(pk=waiting.pk).update(reward_model=model)
    set_stages(waiting, export="succeeded", base="succeeded", train="running")
    jobs.fail(job=job, code="diverged", message="NaN")
    edit_stage(cycle=waiting, name="train", value={"learning_rate": 1e-5}, actor=cast.researcher)
    waiting.refresh_from_db()
    assert waiting.reward_model is None and waiting.state == "failed"
    retry_refresh(cycle=waiting, actor=cast.researcher)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.job_id, waiting.job.state) == ("running", job.pk, "queued")


# --- cancelling and retrying -----------------------------------------------------------------------------------------
def test_one_that_waits_is_cancelled_and_goes_on_with_another_job(cast, waiting):
    cancel_refresh(cycle=waiting, actor=cast.researcher)
    waiting.refresh_from_db()
    assert waiting.state == "cancelled" and waiting.finished_at
    assert state_of(waiting, "label") == "pending"
    with refused("not_cancellable"):
        cancel_refresh(cycle=waiting, actor=None)
    before = waiting.job_id
    retry_refresh(cycle=waiting, actor=cast.researcher)
    waiting.refresh_from_db()
    assert waiting.state == "running" and waiting.job_id != before and waiting.finished_at is None
    with refused("not_retryable"):
        retry_refresh(cycle=waiting, actor=None)


def test_a_retry_is_refused_while_another_refresh_waits(cast):
    load_pandalm(cast.project, 420)
    first = start_refresh(project=cast.project, config=tiny_config())
    cancel_refresh(cycle=first, actor=None)
    second = start_refresh(project=cast.project, config=tiny_config())
    with refused("refresh_running"):
        retry_refresh(cycle=first, actor=None)
    second.refresh_from_db()
    assert second.state == "running"


def test_the_next_stage_is_the_first_that_is_not_over(waiting):
    label(10)
    advance_waiting()
    skip_stage(cycle=waiting, name="export", reason="no", actor=None)
    stage = services.begin_next_stage(cycle=waiting)
    assert stage is not None and (stage.name, stage.state) == (StageName.BASE, StageState.RUNNING)
    again = services.begin_next_stage(cycle=waiting)
    assert again is not None and again.pk == stage.pk  # a lost worker's stage is run again
