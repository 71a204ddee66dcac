"""What the timeline says of each refresh, against reports that the engine made and ratings that are counted by hand."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.jobs.services import enqueue
from annotate.projects.services import create_project
from annotate.ratings.models import RatingOrigin
from tests.cast import Cast, make_comparisons
from tests.training.ratings import correct, rate
from tests.training.reward.registered import make_model
from tests.training.sampling.conftest import draw
from training.drift.models import DriftReport
from training.engine.common.chat import Encoded
from training.engine.reward.data import Comparisons
from training.engine.reward.evaluate import report_on
from training.refresh import timeline as module
from training.refresh.models import RefreshCycle
from training.refresh.timeline import timeline
from training.reward.models import RewardModel, RewardModelState
from training.sampling.services import withdraw_round

__all__ = ["draw"]

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
NOTHING = {"value": None, "low": None, "high": None, "n": 0, "too_few": True}


def make_refresh(project: Any, **fields: Any) -> RefreshCycle:
    number = project.refresh_cycles.count() + 1
    job = enqueue(kind="refresh", title=f"Refresh {number}", project=project, params={"number": number})
    over = {"state": "succeeded", "finished_at": timezone.now()}
    return RefreshCycle.objects.create(project=project, number=number, job=job, **over | fields)


def engine_report(batch: list[int], intensity: list[float], right: list[bool], **meta: list[Any]) -> dict[str, Any]:
    """The report of a model that is right where it is said to be; each comparison has a prompt of its own."""
    n = len(batch)
    one = np.ones(n, dtype=np.float32)
    numbers = {
        "soft_preference": one,
        "weight": one,
        "margin": 0 * one,
        "intensity": np.array(intensity, dtype=np.float32),
        "agreement": one,
    }
    columns = {
        "prompt_digest": [f"p{i}" for i in range(n)],
        "chosen_is_a": [True] * n,
        "chosen_chars": [1] * n,
        "rejected_chars": [2] * n,
        "batch": batch,
    }
    texts = [Encoded([1], [2], is_truncated=False)] * n
    gap = np.where(right, 1, -1).astype(np.float32)
    return report_on(Comparisons(texts, texts, numbers, columns | meta), gap, 0 * gap, split="test")


def make_evaluated(cast: Cast, report: dict[str, Any], state: str = RewardModelState.CANDIDATE) -> RewardModel:
    return make_model(cast.project, state, report=report)


def values(rows: list[dict[str, Any]], *keys: str) -> dict[Any, Any]:
    return {tuple(row[key] for key in keys): (row["stat"]["value"], row["stat"]["n"]) for row in rows}


def test_it_tells_accuracy_by_batch_and_intensity_as_the_report_has_it(cast):
    """Batch 0: intensity 1 right in 1 of 2, intensity 3 in 2 of 2. Batch 2: intensity 3 in 0 of 1, unknown in 1 of 1,
    which is in the batch as a whole, but in no level."""
    report = engine_report([0, 0, 0, 0, 2, 2], [1, 1, 3, 3, 3, np.nan], [True, False, True, True, False, True])
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    found = timeline(cast.project)
    (row,) = found["refreshes"]
    assert values(row["model"]["batches"], "batch", "intensity") == {
        (0, None): (0.75, 4),
        (2, None): (0.5, 2),
        (0, 1): (0.5, 2),
        (0, 3): (1.0, 2),
        (2, 3): (0.0, 1),
    }
    assert values(row["model"]["levels"], "intensity") == {(1,): (0.5, 2), (3,): (pytest.approx(2 / 3), 3)}
    assert (row["model"]["accuracy"]["value"], row["model"]["accuracy"]["n"]) == (pytest.approx(4 / 6), 6)
    assert set(row["model"]["accuracy"]) == set(NOTHING)
    assert (found["batches"], found["n_batches"]) == ([0, 2], 2)


def test_without_a_round_the_levels_are_those_of_what_none_asked_for(cast):
    report = engine_report([0, 0, 0], [1, 2, 2], [True, True, False])
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    (row,) = timeline(cast.project)["refreshes"]
    cells = {(0, None): (pytest.approx(2 / 3), 3), (0, 1): (1.0, 1), (0, 2): (0.5, 2)}
    assert values(row["model"]["batches"], "batch", "intensity") == cells


def test_the_difference_to_the_model_in_use_is_told_as_a_whole_and_by_batch(cast):
    def stat(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40, "n_prompts": 40, "too_few": False}

    incumbent = {
        "id": 7, "version": 3, "accuracy": stat(0.6), "difference": stat(0.05),
        "batches": [{"bucket": "0", "difference": stat(0.01)}, {"bucket": "2", "difference": stat(0.2)}],
    }  # fmt: skip
    report = engine_report([0, 2], [1, 1], [True, True]) | {"incumbent": incumbent}
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    (row,) = timeline(cast.project)["refreshes"]
    told = row["model"]["incumbent"]
    assert (told["id"], told["version"], told["difference"]["value"]) == (7, 3, 0.05)
    differences = {(one["batch"], one["intensity"]): one["difference"] for one in row["model"]["batches"]}
    assert {key: one and one["value"] for key, one in differences.items()} == {
        (0, None): 0.01, (2, None): 0.2, (0, 1): None, (2, 1): None,
    }  # fmt: skip


def test_an_incumbent_that_could_not_be_judged_has_no_difference(cast):
    report = {"incumbent": {"id": 7, "version": 3, "accuracy": None, "error": "gone"}}
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    (row,) = timeline(cast.project)["refreshes"]
    assert row["model"]["incumbent"] == {"id": 7, "version": 3, "difference": None}
    assert (row["model"]["accuracy"], row["model"]["levels"], row["model"]["batches"]) == (NOTHING, [], [])


def test_agreement_is_that_of_the_ratings_of_the_held_out_comparisons(cast):
    report = engine_report([0, 0], [1, 1], [True, True], sides=[[1, 1, 1], [1, 1, -1]])
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    make_refresh(cast.project, reward_model=make_evaluated(cast, engine_report([0], [1], [True])))
    first, second = timeline(cast.project)["refreshes"]
    assert (first["agreement"]["pairs"]["value"], first["agreement"]["pairs"]["n"]) == (pytest.approx(4 / 6), 6)
    assert first["agreement"]["ceiling"]["n"] == 4
    assert second["agreement"] is None


def test_a_refresh_that_has_brought_nothing_yet_says_so(cast):
    cycle = make_refresh(cast.project, name="June", state="running", finished_at=None, trigger="drift")
    assert timeline(cast.project) == {
        "refreshes": [
            {
                "id": cycle.pk, "number": 1, "name": "June", "state": "running", "trigger": "drift",
                "started_at": cycle.created_at, "finished_at": None,
                "model": None, "agreement": None, "drift": None, "round": None, "cost": None,
            }
        ],
        "n_refreshes": 1, "batches": [], "n_batches": 0,
    }  # fmt: skip


def test_it_tells_the_verdict_on_drift_with_its_headlines(cast):
    model = make_model(cast.project)
    measures = [
        {"name": name, "value": value, "low": value - 0.1, "high": value + 0.1, "p_value": 0.01, "sentence": "…"}
        for name, value in (("mmd", 0.02), ("outliers", 0.3), ("classifier", 0.9))
    ]
    done = {"verdict": "strong", "finished_at": timezone.now(), "report": {"measures": measures}}
    report = DriftReport.objects.create(project=cast.project, number=4, reward_model=model, **done)
    make_refresh(cast.project, drift_report=report)
    (row,) = timeline(cast.project)["refreshes"]
    drift = row["drift"]
    assert (drift["id"], drift["number"], drift["verdict"]) == (report.pk, 4, "strong")
    assert [(one["name"], one["value"]) for one in drift["measures"]] == [("classifier", 0.9), ("outliers", 0.3)]
    assert set(drift["measures"][0]) == {"name", "value", "low", "high"}


def test_a_round_says_what_was_asked_and_labelled_and_how_well_its_model_knew_it(cast, comparisons, draw):
    """Of 24, 12 drawn at random: gaps say a. The chosen 12 are rated b b b, the random ones a a but for the last, which
    nobody has rated: 0 of 12 and 11 of 11. All pairs of ratings are the same."""
    made = comparisons(24)
    sampling_round = draw(made, random=tuple(range(12, 24)), gaps=[1.0] * 24)
    for comparison in made[:12]:
        rate(comparison, "b", "b", "b")
    for comparison in made[12:23]:
        rate(comparison, "a", "a")
    make_refresh(cast.project, sampling_round=sampling_round)
    (row,) = timeline(cast.project)["refreshes"]
    told = row["round"]
    assert (told["id"], told["number"]) == (sampling_round.pk, 1)
    assert (told["n_asked"], told["n_labelled"], told["n_labels"]) == (24, 23, 12 * 3 + 11 * 2)
    accuracy = told["accuracy"]
    assert {arm: (stat["value"], stat["n"]) for arm, stat in accuracy.items()} == {
        "chosen": (0.0, 12), "random": (1.0, 11),
    }  # fmt: skip
    assert (told["agreement"]["value"], told["agreement"]["n"]) == (1.0, 23)


def test_what_was_withdrawn_from_a_round_was_not_asked(cast, comparisons, draw):
    made = comparisons(5)
    sampling_round = draw(made)
    rate(made[0], "a")
    withdraw_round(sampling_round=sampling_round, actor=cast.researcher)
    make_refresh(cast.project, sampling_round=sampling_round)
    (row,) = timeline(cast.project)["refreshes"]
    assert (row["round"]["n_asked"], row["round"]["n_labelled"]) == (1, 1)


SIMULATED = {"origin": RatingOrigin.SIMULATED}


def test_labels_cost_their_active_time_at_todays_rate(cast, comparisons, draw):
    """Three ratings of 30, 60 and 90 s and a correction of 20 s; one without a time counts their mean, 50 s. What was
    imported costs nothing, and the last is of no round. 250 s at 36 an hour: 2.50."""
    cast.project.pay_per_hour, cast.project.currency = 36, "EUR"
    cast.project.save()
    made = comparisons(6)
    sampling_round = draw(made[:5])
    ratings = [
        rate(comparison, "a", active_ms=ms, **origin)[0]
        for comparison, ms, origin in zip(
            made,
            [30_000, 60_000, 90_000, None, 1_000_000, 5_000_000],
            [SIMULATED, SIMULATED, SIMULATED, SIMULATED, {}, SIMULATED],
            strict=True,
        )
    ]
    correct(ratings[0], "b", active_ms=20_000, **SIMULATED)
    make_refresh(cast.project, sampling_round=sampling_round)
    (row,) = timeline(cast.project)["refreshes"]
    assert row["cost"] == {
        "n_labels": 5, "n_untimed": 1, "hours": pytest.approx(250 / 3600), "amount": "2.50", "currency": "EUR",
    }  # fmt: skip
    assert row["round"]["n_labels"] == 5  # the imported one counts, the corrected one once


def test_labels_of_unknown_time_or_without_a_rate_have_no_amount(cast, comparisons, draw):
    made = comparisons(2)
    rounds = draw(made[:1]), draw(made[1:])
    cast.project.pay_per_hour, cast.project.currency = 10, "EUR"
    cast.project.save()
    for comparison, ms in zip(made, (None, 3_600_000), strict=True):
        rate(comparison, "a", active_ms=ms, **SIMULATED)
    for sampling_round in rounds:
        make_refresh(cast.project, sampling_round=sampling_round)
    costs = [row["cost"] for row in timeline(cast.project)["refreshes"]]
    assert [(cost["hours"], cost["amount"]) for cost in costs] == [(None, None), (1.0, "10.00")]
    cast.project.pay_per_hour, cast.project.currency = None, ""
    cast.project.save()
    costs = [row["cost"] for row in timeline(cast.project)["refreshes"]]
    assert [(cost["hours"], cost["amount"]) for cost in costs] == [(None, None), (1.0, None)]


def test_imported_ratings_alone_cost_nothing(cast, comparisons, draw):
    made = comparisons(1)
    sampling_round = draw(made)
    rate(made[0], "a", active_ms=1000)
    make_refresh(cast.project, sampling_round=sampling_round)
    (row,) = timeline(cast.project)["refreshes"]
    assert row["cost"] is None and row["round"]["n_labels"] == 1


def test_the_oldest_comes_first_and_only_the_latest_are_told(cast, monkeypatch):
    monkeypatch.setattr(module, "MOST_REFRESHES", 3)
    for _ in range(5):
        make_refresh(cast.project)
    found = timeline(cast.project)
    assert [row["number"] for row in found["refreshes"]] == [3, 4, 5]
    assert found["n_refreshes"] == 5


def test_only_the_newest_batches_are_told_and_what_no_round_asked_for(cast, monkeypatch):
    monkeypatch.setattr(module, "MOST_BATCHES", 2)
    report = engine_report([0, 1, 2, 3, 10], [1] * 5, [True] * 5)
    make_refresh(cast.project, reward_model=make_evaluated(cast, report))
    found = timeline(cast.project)
    assert (found["batches"], found["n_batches"]) == ([0, 3, 10], 5)
    assert {one["batch"] for one in found["refreshes"][0]["model"]["batches"]} == {0, 3, 10}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/refreshes/timeline"


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_it(cast, url, who, status):
    make_refresh(cast.project)
    assert cast.client(getattr(cast, who)).get(url).status_code == status


def test_another_projects_refreshes_are_not_in_it(cast, url):
    other = create_project(owner=cast.owner, name="Harmlessness")
    make_refresh(other)
    mine = make_refresh(cast.project)
    body = cast.client(cast.owner).get(url).json()
    assert [row["id"] for row in body["refreshes"]] == [mine.pk]
    assert body["n_refreshes"] == 1


def whole(cast: Cast, draw: Any) -> RefreshCycle:
    """A refresh with all that one can have."""
    made = make_comparisons(cast.project, 12)
    sampling_round = draw(made)
    for comparison in made:
        rate(comparison, "a", "a")
    model = make_evaluated(cast, engine_report([0, 1, 2], [1, 2, 3], [True, False, True], sides=[[1, 1]] * 3))
    drift = DriftReport.objects.create(
        project=cast.project, number=cast.project.drift_reports.count() + 1, reward_model=model,
        verdict="none", finished_at=timezone.now(), report={"measures": []},
    )  # fmt: skip
    return make_refresh(cast.project, reward_model=model, sampling_round=sampling_round, drift_report=drift)


def test_the_endpoint_says_what_the_selector_does(cast, url, draw):
    cycle = whole(cast, draw)
    RefreshCycle.objects.filter(pk=cycle.pk).update(finished_at=cycle.created_at + timedelta(hours=3))
    body = cast.client(cast.reviewer).get(url).json()
    told = timeline(cast.project)
    (row,), (expected,) = body["refreshes"], told["refreshes"]
    for name in ("model", "agreement", "drift", "round", "cost"):
        assert row[name] == expected[name]
    assert (body["batches"], body["n_batches"]) == ([0, 1, 2], 3)
    assert row["started_at"] < row["finished_at"]


def test_its_queries_do_not_grow_with_the_refreshes(cast, url, draw):
    counts = []
    for _ in range(2):
        for _ in range(3):
            whole(cast, draw)
        with CaptureQueriesContext(connection) as queries:
            body = cast.client(cast.owner).get(url).json()
        counts.append((len(body["refreshes"]), len(queries)))
    assert counts == [(3, 5), (6, 5)]


def test_whole_reports_are_not_read(cast, url, draw):
    """The texts of a report, which are most of it, do not leave the database."""
    model = whole(cast, draw).reward_model
    assert model is not None
    model.report = {**model.report, "errors": [{"prompt": "a secret long text"}]}
    model.save()
    assert b"a secret" not in cast.client(cast.owner).get(url).content
    with CaptureQueriesContext(connection) as queries:
        timeline(cast.project)
    assert not any('"report",' in query["sql"] for query in queries)
