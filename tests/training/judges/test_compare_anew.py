"""Comparing a judge with people on request: a job, by a real worker."""

import pytest

from annotate.jobs.models import Job, JobState
from tests.training.judges.world import judge_them, make_judge
from tests.training.ratings import rate, running_job
from tests.training.refresh.conftest import wait_for
from training.judges.services import request_report, update_report
from training.judges.tasks import judge_report


def judged(cast, comparisons, n=12):
    judge = make_judge(cast.project)
    made = comparisons(n)
    for comparison in made:
        rate(comparison, "a", "a")
    judge_them(judge, [(one, 0.9) for one in made])
    return judge


@pytest.mark.timeout(120)
def test_a_job_makes_the_report(cast, comparisons, celery_workers):
    judge = judged(cast, comparisons)
    client, url = cast.client(cast.researcher), f"/api/v1/projects/helpfulness/judges/{judge.pk}"
    answer = client.post(url)
    assert answer.status_code == 202, answer.json()
    assert answer.json()["report_job"]["kind"] == "judge_report"
    job = Job.objects.get(kind="judge_report")
    assert job.created_by == cast.researcher
    wait_for(lambda: Job.objects.get(pk=job.pk).is_finished, 60, "the report")
    found = client.get(url).json()
    assert (found["report_job"]["state"], found["report_job"]["result"]) == ("succeeded", {"judge": judge.pk, "n": 12})
    assert found["report"]["agreement"]["value"] == 1.0
    assert found["reported_at"] is not None


def test_it_tells_its_steps(cast, comparisons):
    told = []
    update_report(judge=judged(cast, comparisons), told=lambda step, text: told.append((step, text)))
    assert told == [
        (0, "reading AI ratings"),
        (1, "reading people's ratings of 12 comparisons"),
        (2, "comparing 12 comparisons"),
    ]


def test_done_again_it_ends_the_same(cast, comparisons):
    judge = judged(cast, comparisons)
    context = running_job(cast.project, "judge_report", judge=judge.pk)
    assert judge_report(context) == judge_report(context) == {"judge": judge.pk, "n": 12}
    job = Job.objects.get(pk=context.job.pk)
    assert job.total == 3


def test_it_is_asked_for_once_at_a_time(cast, comparisons):
    judge = judged(cast, comparisons)
    first = request_report(judge=judge, created_by=None)
    assert request_report(judge=judge, created_by=None) == first
    Job.objects.filter(pk=first.pk).update(state=JobState.CANCELLED, finished_at=first.created_at)
    assert request_report(judge=judge, created_by=None) != first
    assert Job.objects.filter(kind="judge_report").count() == 2
