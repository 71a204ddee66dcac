"""What the promoted model thinks of comparisons is there for the reviewers' queue."""

import pytest
from django.db import IntegrityError, transaction

from annotate.agreement.models import AgreementSnapshot, ModelOpinion
from annotate.agreement.opinions import Opinion, record_opinions
from annotate.agreement.services import refresh_snapshot
from annotate.common.errors import DomainError
from annotate.jobs.models import Job
from tests.training.ratings import running_job
from tests.training.reward.registered import make_model
from training.reward.models import RewardModelState
from training.reward.opinions import form_opinions, request_opinions
from training.reward.services import promote

URL = "/api/v1/projects/helpfulness/reward-models/{}/opinions"


def stored() -> list[tuple]:
    return list(ModelOpinion.objects.order_by("comparison").values_list("comparison", "p_a", "version", "is_held_out"))


def test_a_newer_version_replaces_what_the_older_one_thought(cast, comparisons):
    first, second, third = [comparison.pk for comparison in comparisons(3)]
    record_opinions(project=cast.project, version=1, opinions=[Opinion(first, 0.9, True), Opinion(second, 0.2, False)])
    refresh_snapshot(project_id=cast.project.pk)
    n_stored = record_opinions(
        project=cast.project, version=2, opinions=[Opinion(second, 0.6, False), Opinion(third, 0.5, True)]
    )
    assert n_stored == 2
    assert stored() == [(second, 0.6, 2, False), (third, 0.5, 2, True)]
    assert AgreementSnapshot.objects.get(project=cast.project).stale_since is not None


def test_the_database_refuses_what_is_no_probability(cast, comparisons):
    (comparison,) = comparisons(1)
    with pytest.raises(IntegrityError, match="model_opinions_p_a_is_a_probability"), transaction.atomic():
        record_opinions(project=cast.project, version=1, opinions=[Opinion(comparison.pk, 1.2, True)])


def test_promoting_a_model_asks_it(cast):
    model = make_model(cast.project)
    promote(model=model, reason="better", actor=cast.researcher)
    job = Job.objects.get(kind="opinions")
    assert (job.queue, job.params, job.created_by) == ("gpu", {"reward_model": model.pk}, cast.researcher)


def test_only_the_promoted_model_is_asked(cast):
    model = make_model(cast.project)
    with pytest.raises(DomainError) as refusal:
        request_opinions(model=model, created_by=None)
    assert refusal.value.code == "not_promoted"
    answer = cast.client(cast.researcher).post(URL.format(model.pk))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_promoted")


def test_a_model_that_was_replaced_meanwhile_says_nothing(cast, comparisons):
    comparisons(1)
    model = make_model(cast.project, RewardModelState.RETIRED)
    assert form_opinions(model=model, context=running_job(cast.project, "opinions", reward_model=model.pk)) == 0
    assert stored() == []


def test_they_can_be_asked_for_anew(cast):
    model = make_model(cast.project, RewardModelState.PROMOTED)
    answer = cast.client(cast.researcher).post(URL.format(model.pk))
    assert answer.status_code == 202
    assert answer.json()["title"] == "Opinions of reward model v1 on rated comparisons"
