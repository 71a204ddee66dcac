"""Refreshes that a project starts by itself."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from annotate.comparisons.models import Comparison
from annotate.jobs.models import Job
from tests.training.ratings import rate
from tests.training.real import load_pandalm
from tests.training.reward.registered import make_model
from training.drift.models import DriftReport
from training.refresh import schedule as schedules
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle, RefreshSchedule
from training.refresh.services import cancel_refresh

URL = "/api/v1/projects/{}/refreshes/schedule"


def set_schedule(cast, **fields) -> RefreshSchedule:
    values = {"is_enabled": True, "on_drift": False, "new_ratings": None, "every_days": None} | fields
    return schedules.set_schedule(project=cast.project, config=RefreshConfig(), actor=cast.researcher, **values)


def report(cast, verdict: str) -> DriftReport:
    model = make_model(cast.project, "promoted") if not cast.project.reward_models.exists() else None
    return DriftReport.objects.create(
        project=cast.project, number=cast.project.drift_reports.count() + 1, verdict=verdict,
        reward_model=model or cast.project.reward_models.get(), finished_at=timezone.now(),
        report={"compared": {"digest": f"{cast.project.drift_reports.count()}"}},
    )  # fmt: skip


def end(cycle: RefreshCycle) -> None:
    cancel_refresh(cycle=cycle, actor=None)


def test_after_so_many_new_ratings_and_not_before(cast):
    load_pandalm(cast.project, 420)
    set_schedule(cast, new_ratings=50)
    assert schedules.start_due() == 1
    first = RefreshCycle.objects.get()
    assert (first.trigger, first.created_by) == ("ratings", cast.researcher)
    assert "50 new ratings or more so far" in first.trigger_reason
    assert schedules.start_due() == 0  # it runs
    end(first)
    for comparison in Comparison.objects.order_by("pk")[:49]:
        rate(comparison, "a")
    assert schedules.start_due() == 0
    rate(Comparison.objects.order_by("-pk")[0], "a")
    assert schedules.start_due() == 1
    assert "since refresh 1" in RefreshCycle.objects.get(number=2).trigger_reason


def test_every_so_many_days_counted_from_the_last_refresh(cast):
    load_pandalm(cast.project, 420)
    schedule = set_schedule(cast, every_days=7)
    assert schedules.start_due() == 0
    RefreshSchedule.objects.update(changed_at=timezone.now() - timedelta(days=7, minutes=1))
    assert schedules.start_due() == 1
    cycle = RefreshCycle.objects.get()
    assert (cycle.trigger, cycle.trigger_reason) == ("schedule", "7 days are over.")
    end(cycle)
    assert schedules.start_due() == 0
    schedule.refresh_from_db()
    cycle.refresh_from_db()
    assert schedules.next_at(schedule, cycle) == cycle.created_at + timedelta(days=7)
    assert schedule.last_reason == "Refresh 1: 7 days are over."


def test_on_drift_once_for_a_report(cast):
    report(cast, "strong")
    set_schedule(cast, on_drift=True)
    assert schedules.start_due() == 1
    cycle = RefreshCycle.objects.get()
    assert cycle.trigger == "drift" and "Drift report 1" in cycle.trigger_reason
    end(cycle)
    # The refresh has answered that report, though it promoted nothing; a newer one asks again.
    assert schedules.start_due() == 0
    report(cast, "strong")
    assert schedules.start_due() == 1


def test_it_asks_for_a_drift_report_where_there_is_none_of_the_last_day(cast):
    make_model(cast.project, "promoted")
    set_schedule(cast, on_drift=True)
    assert schedules.start_due() == 0
    made = DriftReport.objects.get()
    assert made.job.kind == "drift" and made.created_by == cast.researcher
    assert schedules.start_due() == 0 and DriftReport.objects.count() == 1  # it runs
    Job.objects.filter(kind="drift").update(state="succeeded", finished_at=timezone.now())
    DriftReport.objects.update(verdict="none", finished_at=timezone.now())
    schedules.start_due()
    assert DriftReport.objects.count() == 1
    DriftReport.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    schedules.start_due()
    assert DriftReport.objects.count() == 2


def test_what_stands_in_the_way_is_told_and_tried_again_after_an_hour(cast):
    load_pandalm(cast.project, 30)
    schedule = set_schedule(cast, new_ratings=20)
    assert schedules.start_due() == 0
    schedule.refresh_from_db()
    assert "Not started" in schedule.last_reason and "At least 40 and 5 are needed" in schedule.last_reason
    refused_at = schedule.refused_at
    schedules.start_due()
    schedule.refresh_from_db()
    assert schedule.refused_at == refused_at
    RefreshSchedule.objects.update(refused_at=refused_at - timedelta(hours=1))
    schedules.start_due()
    schedule.refresh_from_db()
    assert schedule.refused_at > refused_at


def test_one_that_is_off_starts_nothing(cast):
    load_pandalm(cast.project, 420)
    set_schedule(cast, new_ratings=1, is_enabled=False)
    assert schedules.start_due() == 0


def test_one_that_says_never_is_refused(cast):
    with pytest.raises(ValidationError) as refusal:
        set_schedule(cast)
    assert list(refusal.value.message_dict) == ["is_enabled"]


SET = {"owner": 200, "researcher": 200, "reviewer": 403, "labeller": 403, "outsider": 404}
SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}


@pytest.mark.parametrize("who", SET)
def test_who_may_see_and_set_it(cast, who):
    client, url = cast.client(getattr(cast, who)), URL.format(cast.project.slug)
    assert client.get(url).status_code == SEE[who]
    body = {"is_enabled": True, "every_days": 7, "config": {"sampling": {"budget": 50}}}
    assert client.put(url, body, format="json").status_code == SET[who]


def test_the_api_says_what_it_looks_at(cast):
    load_pandalm(cast.project, 60)
    client, url = cast.client(cast.researcher), URL.format(cast.project.slug)
    told = client.get(url).json()
    assert (told["is_enabled"], told["ratings_since"] > 100, told["next_at"], told["due"]) == (False, True, None, None)
    assert told["config"]["sampling"]["budget"] == 100
    body = {"is_enabled": True, "on_drift": True, "new_ratings": 10, "every_days": 7}
    told = client.put(url, body | {"config": {"sampling": {"budget": 50}}}, format="json").json()
    assert told["next_at"] and "10 new ratings" in told["due"] and told["config"]["sampling"]["budget"] == 50
    answer = client.put(url, body | {"every_days": 0, "config": {"sampling": {"budget": 0}}}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "config.sampling.budget"
