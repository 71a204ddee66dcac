import threading

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.jobs import services as jobs
from annotate.jobs.models import Job
from tests.training.real import load_pandalm, tiny_config
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, StageName
from training.refresh.services import activate, start_refresh


def start(cast) -> RefreshCycle:
    return start_refresh(project=cast.project, config=tiny_config())


def test_it_queues_a_job_for_the_gpu_with_all_stages_pending(cast):
    load_pandalm(cast.project, 420)
    cycle = start(cast)
    assert (cycle.number, cycle.state, cycle.job.queue, cycle.job.kind) == (1, "running", "gpu", "refresh")
    assert [stage.name for stage in cycle.stages.all()] == StageName.values
    assert {stage.state for stage in cycle.stages.all()} == {"pending"}


def test_its_config_survives_the_database(cast):
    load_pandalm(cast.project, 420)
    cycle = start(cast)
    cycle.refresh_from_db()
    assert RefreshConfig.of_cycle(cycle.config) == tiny_config()


def test_too_few_ratings_are_refused_with_what_is_needed(cast):
    load_pandalm(cast.project, 30)
    with pytest.raises(DomainError) as refusal:
        start(cast)
    assert refusal.value.code == "too_few_comparisons"
    assert refusal.value.extra["needed"] == {"train": 40, "test": 5}
    assert "At least 40 and 5 are needed" in refusal.value.message
    assert not Job.objects.exists() and not RefreshCycle.objects.exists()


def test_a_training_that_has_nothing_to_go_on_from_is_refused_before_anybody_labels(cast):
    load_pandalm(cast.project, 420)
    with pytest.raises(DomainError) as refusal:
        start_refresh(project=cast.project, config=tiny_config(start="continued"))
    assert refusal.value.code == "nothing_to_continue"
    assert not Job.objects.exists()


def test_a_second_one_is_refused_while_the_first_runs(cast):
    load_pandalm(cast.project, 420)
    first = start(cast)
    with pytest.raises(DomainError) as refusal:
        start(cast)
    assert refusal.value.code == "refresh_running"
    assert refusal.value.extra["refresh"]["number"] == first.number
    assert Job.objects.count() == 1


def test_the_next_one_may_start_when_the_first_was_cancelled(cast):
    load_pandalm(cast.project, 420)
    first = start(cast)
    jobs.request_cancel(job=first.job)
    assert start(cast).number == 2


def test_a_cycle_whose_worker_died_after_its_last_word_does_not_block(cast):
    load_pandalm(cast.project, 420)
    first = start(cast)
    Job.objects.filter(pk=first.job_id).update(state="succeeded", finished_at=timezone.now())
    assert RefreshCycle.objects.get().is_active
    assert start(cast).number == 2
    first.refresh_from_db()
    assert first.state == "succeeded" and first.finished_at


def test_a_retry_is_refused_while_another_one_runs(cast):
    load_pandalm(cast.project, 420)
    first = start(cast)
    jobs.request_cancel(job=first.job)
    start(cast)
    with pytest.raises(DomainError, match="Refresh 2 of this project is running"):
        activate(cycle=first)


def test_the_database_keeps_two_active_ones_apart(cast):
    load_pandalm(cast.project, 420)
    first = start(cast)
    other = jobs.enqueue(kind="refresh", title="x", project=cast.project, params={})
    with pytest.raises(IntegrityError, match="refresh_cycles_one_active"):
        RefreshCycle.objects.create(project=cast.project, number=first.number + 1, job=other)


@pytest.mark.django_db(transaction=True)
def test_two_that_start_at_once_collide(cast):
    load_pandalm(cast.project, 420)
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def run() -> None:
        barrier.wait()
        try:
            outcomes.append(f"started {start(cast).number}")
        except DomainError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refresh_running", "started 1"]
    assert RefreshCycle.objects.count() == Job.objects.count() == 1
