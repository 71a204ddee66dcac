"""Snapshots follow the ratings, and what they say is what an independent library computes from the same rows."""

from collections.abc import Callable
from uuid import uuid4

import krippendorff
import numpy as np
import pytest
from django.db import DataError, connection

from annotate.agreement import metrics, reading, services
from annotate.agreement.models import AgreementSnapshot
from annotate.agreement.services import mark_stale, refresh_snapshot
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.projects.models import Project
from annotate.ratings.models import Rating
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast

Make = Callable[..., list[Comparison]]


@pytest.fixture
def rated(cast: Cast, comparisons: Make) -> Cast:
    """Two labellers over 40 comparisons; they agree on three of four."""
    comparisons(40)
    rng = np.random.default_rng(0)
    for user in (cast.labeller, cast.second_labeller):
        seat = cast.seat(user)
        while leases := lease(seat=seat, n=20):
            judgements = []
            for assignment in leases:
                side = "a" if rng.random() < 0.85 else "b"
                shown = "first" if side == assignment.first else "second"
                judgements.append(Judgement(uuid4(), assignment.pk, shown, int(rng.integers(1, 5))))
            submit(seat=seat, judgements=judgements)
    return cast


def test_a_rating_makes_it_stale_and_a_refresh_fresh(rated: Cast) -> None:
    assert AgreementSnapshot.objects.get(project=rated.project).stale_since is not None
    snapshot = refresh_snapshot(project_id=rated.project.pk)
    assert snapshot is not None
    assert snapshot.stale_since is None
    assert (snapshot.counts["ratings"], snapshot.counts["comparisons"], snapshot.counts["labellers"]) == (80, 40, 2)
    assert sum(day["n"] for day in snapshot.counts["ratings_per_day"]) == 80


def test_a_refresh_gives_the_queue_its_reliabilities(rated: Cast) -> None:
    refresh_snapshot(project_id=rated.project.pk)
    found = dict(rated.project.memberships.values_list("user__name", "reliability"))
    assert 0.75 < found["labeller"] < 1
    assert 0.75 < found["second labeller"] < 1
    assert found["reviewer"] is None


def test_alpha_is_the_independent_librarys(rated: Cast) -> None:
    snapshot = refresh_snapshot(project_id=rated.project.pk)
    assert snapshot is not None
    rows = list(Rating.objects.values_list("comparison_id", "labeller_id", "preferred"))
    units, labellers = (sorted({row[column] for row in rows}) for column in (0, 1))
    table = np.full((len(labellers), len(units)), np.nan)
    for comparison, labeller, preferred in rows:
        side = metrics.randomise_orientation([comparison], [1 if preferred == "a" else -1])[0]
        table[labellers.index(labeller), units.index(comparison)] = side
    expected = krippendorff.alpha(table, level_of_measurement="nominal")
    found = snapshot.statistics["alpha_nominal"]
    assert found["value"] == pytest.approx(expected, abs=1e-12)
    assert found["low"] < found["value"] < found["high"]
    assert found["n"] == 40


def test_the_page_shows_it_with_n_and_limit(rated: Cast) -> None:
    refresh_snapshot(project_id=rated.project.pk)
    body = rated.client(rated.reviewer).get("/api/v1/projects/helpfulness/agreement").json()
    assert body["is_stale"] is False
    assert (body["n_multiply_rated"], body["n_labellers"]) == (40, 2)
    n_split = Comparison.objects.filter(n_dissenting__gt=0).count()
    assert body["disagreement"]["split"] == n_split > 0
    assert body["percent_agreement"]["value"] == pytest.approx(1 - n_split / 40)


def test_an_empty_project_has_no_number_rather_than_a_wrong_one(cast: Cast) -> None:
    refresh_snapshot(project_id=cast.project.pk)
    body = cast.client(cast.reviewer).get("/api/v1/projects/helpfulness/agreement").json()
    assert body["alpha_nominal"] == {"value": None, "low": None, "high": None, "n": 0, "too_few": True}
    assert body["disagreement"]["rate"] is None


def test_the_overview_says_what_to_do_next(cast: Cast) -> None:
    body = cast.client(cast.owner).get("/api/v1/projects/helpfulness/overview").json()
    assert [step["code"] for step in body["next_steps"]] == ["import", "guidelines"]


def test_two_refreshes_of_a_project_do_not_run_together(rated: Cast) -> None:
    with services._alone(rated.project.pk) as is_alone:
        assert is_alone
        assert refresh_snapshot(project_id=rated.project.pk) is None
        assert AgreementSnapshot.objects.get(project=rated.project).stale_since is not None, "so it is asked for again"
        with services._alone(rated.project.pk + 1) as other_project_is_alone:
            assert other_project_is_alone
    assert refresh_snapshot(project_id=rated.project.pk) is not None


def test_a_refresh_that_fails_lets_the_next_one_run(rated: Cast) -> None:
    with pytest.raises(DataError), services._alone(rated.project.pk), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    with services._alone(rated.project.pk) as is_alone:
        assert is_alone


def test_columns_are_the_rows(rated: Cast) -> None:
    """What is read through COPY in blocks is what the ORM says, also where a block ends within a row."""
    for block in (64, 1 << 22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "_BLOCK", block)
            found = reading.read(rated.project).ratings
        rows = Rating.objects.order_by("comparison_id", "id").values_list(
            "comparison_id", "labeller_id", "preferred", "intensity", "assignment__first"
        )
        side = {"a": 1, "b": -1, "tie": 0}
        assert list(
            zip(
                found.comparison.tolist(),
                found.labeller.tolist(),
                found.side.tolist(),
                found.signed_intensity.tolist(),
                found.first_shown.tolist(),
                strict=True,
            )
        ) == [
            (comparison, labeller, side[preferred], side[preferred] * intensity, int(preferred == first))
            for comparison, labeller, preferred, intensity, first in rows
        ]
        assert (found.longer[found.side != 0] == (found.side == 1)[found.side != 0]).all(), "alpha is longer than beta"


def test_what_is_rated_while_it_is_made_leaves_it_stale(rated: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading is real; a rating is stored right behind it, as another process would."""
    read = reading.read

    def read_and_rate(project: Project) -> reading.Read:
        found = read(project)
        mark_stale(project_id=project.pk)
        return found

    monkeypatch.setattr(reading, "read", read_and_rate)
    snapshot = refresh_snapshot(project_id=rated.project.pk)
    assert snapshot is not None and snapshot.computed_at is not None
    assert snapshot.stale_since not in (None, services.BEING_READ)
    monkeypatch.undo()
    again = refresh_snapshot(project_id=rated.project.pk)
    assert again is not None and again.stale_since is None


def test_one_that_fails_stays_stale(rated: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(project: Project) -> reading.Read:
        raise OSError("the disk is full")

    refresh_snapshot(project_id=rated.project.pk)
    monkeypatch.setattr(reading, "read", fail)
    with pytest.raises(OSError, match="disk"):
        refresh_snapshot(project_id=rated.project.pk)
    assert AgreementSnapshot.objects.get(project=rated.project).stale_since is not None
