"""The overview and the agreement page: what they say, where it comes from, and who is told."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from annotate.agreement import snapshots
from annotate.agreement.api.serializers import ModelsSerializer
from annotate.agreement.metrics import MODELS, Ratings
from annotate.agreement.models import AgreementSnapshot
from annotate.agreement.services import refresh_if_due, refresh_snapshot
from annotate.guidelines.models import GuidelineVersion
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.models import Membership, Role
from annotate.projects.services import create_project
from tests.annotate.agreement.conftest import Make, P, Worked, rate
from tests.cast import Cast, make_user


def test_the_overview_tells_reviewers_how_far_the_work_is(worked: Worked) -> None:
    body = worked.get("overview")
    assert body["agreement"]["alpha_nominal"]["n"] == 30
    assert body["agreement"]["disagreement"]["majority"] == 15
    assert body["forecast"]["n_remaining"] == 0
    assert body["forecast"]["done_on"] == timezone.now().date().isoformat()
    assert body["cost"] is None, "there is no rate"
    told = worked.get("overview", user=worked.cast.labeller)
    assert (told["forecast"], told["cost"], told["agreement"]) == (None, None, None)


def test_the_cost_is_active_time_by_the_rate(worked: Worked) -> None:
    project = worked.cast.project
    project.pay_per_hour, project.currency = Decimal("18.50"), "EUR"
    project.save()
    cost = worked.get("overview")["cost"]
    # 90 ratings; the third labeller's time is not known and taken to be as long as the others', 20 s.
    assert cost["spent_hours"] == pytest.approx(90 * 20 / 3600)
    assert (cost["currency"], cost["pay_per_hour"], cost["spent"]) == ("EUR", "18.50", "9.25")
    assert (cost["remaining"], cost["per_comparison"]) == ("0.00", "0.31")
    assert cost["is_estimated"] == pytest.approx(1 / 3)
    assert worked.get("overview", user=worked.cast.labeller)["cost"] is None


def test_remaining_work_and_its_days(cast: Cast, comparisons: Make) -> None:
    made = comparisons(25)
    rate(cast, cast.labeller, {one.pk: "a" for one in made})
    assert refresh_snapshot(project_id=cast.project.pk) is not None
    body = cast.client(cast.reviewer).get(f"{P}/overview").json()["forecast"]
    # Three wanted of each, one given; all of it came today.
    assert (body["n_remaining"], body["n_remaining_comparisons"], body["per_day"]) == (50, 25, 25.0)
    assert body["done_on"] == (timezone.now().date() + timedelta(days=2)).isoformat()
    assert date.fromisoformat(body["done_earliest"]) <= date.fromisoformat(body["done_latest"])


def test_agreement_by_week_version_and_slice(worked: Worked) -> None:
    cast = worked.cast
    GuidelineVersion.objects.create(project=cast.project, number=1, body="x", change_note="First")
    source = CompletionSource.objects.create(pool=cast.project.pool, name="other", kind=SourceKind.EXTERNAL)
    odd = [one.prompt_id for one in worked.comparisons[1::2]]
    Prompt.objects.filter(pk__in=odd).update(language="de", tags=["disputed", "maths"])
    Completion.objects.filter(pk__in=[one.b_id for one in worked.comparisons[1::2]]).update(
        source=source, text="x" * 900
    )
    worked.refresh()
    body = worked.get("agreement")
    assert body["fleiss_kappa"]["n"] == 30
    (week,) = body["over_time"]
    assert week["n_ratings"] == 90
    assert date.fromisoformat(week["week"]).weekday() == 0
    assert week["disagreement"]["value"] == pytest.approx(1 / 3)
    (version,) = body["versions"]
    assert (version["number"], version["n_ratings"], version["change_note"]) == (1, 0, "First")
    assert version["change"] is None
    by_key = {(one["dimension"], one["key"]): one for one in body["slices"]}
    sft = worked.comparisons[0].a.source_id
    for key in (("language", "de"), ("tag", "disputed"), ("source", f"{sft}-{source.pk}"), ("length", "4x")):
        one = by_key[key]
        assert one["n_comparisons"] == 15
        assert one["disagreement"]["value"] == pytest.approx(2 / 3)
        assert one["share"] == pytest.approx(1)
    assert by_key["source", f"{sft}-{source.pk}"]["label"] == "sft-model / other"
    assert by_key["intensity", "2"]["label"] == cast.project.intensity_labels[-2]
    assert by_key["length", "similar"]["disagreement"]["value"] == 0
    excesses = [one["excess"] for one in body["slices"]]
    known = [value for value in excesses if value is not None]
    assert known == sorted(known, reverse=True)
    assert excesses[len(known) :] == [None] * (len(excesses) - len(known))
    # Each number leads to its ratings.
    rows = worked.get("ratings", length="4x", page_size=200)["results"]
    assert len(rows) == by_key["length", "4x"]["n_ratings"] == 45


def test_which_model_of_labellers_it_was_and_why(worked: Worked) -> None:
    """90 ratings are too few to compare models; with enough of them the best is told, and not asked for each time."""
    worked.refresh()
    models = worked.get("agreement")["models"]
    assert models == {"chosen": "graded", "n_ratings": 90, "n_held_out": 0, "rows": []}
    rng = np.random.default_rng(0)
    unit, labeller = np.repeat(np.arange(200), 3), np.tile(np.arange(3), 200)
    side = np.where(rng.random(600) < 0.8, rng.choice([-1, 1], 200)[unit], rng.choice([-1, 0, 1], 600))
    ratings = Ratings.from_arrays(comparison=unit, labeller=labeller, side=side)
    compared = snapshots.models(ratings, 4, models)
    assert compared["n_ratings"] == 600 and compared["n_held_out"] > 500
    assert {row["model"] for row in compared["rows"]} == {"vote_shares", "graded", "dawid_skene", "mace"}
    logs = [row["log_likelihood"] for row in compared["rows"]]
    assert logs == sorted(logs, reverse=True)
    assert snapshots.models(ratings.select(np.arange(600) < 500), 4, compared) is compared
    assert ModelsSerializer(compared).data["chosen"] in MODELS


def test_each_axis_over_the_same_completions_that_the_caller_may_review(worked: Worked) -> None:
    cast = worked.cast
    safety = create_project(owner=cast.owner, name="Safety", pool=cast.project.pool, axis="safety")
    hidden = create_project(owner=cast.owner, name="Style", pool=cast.project.pool, axis="style")
    create_project(owner=cast.owner, name="Other completions", axis="safety")
    Membership.objects.create(project=safety, user=cast.reviewer, role=Role.REVIEWER)
    Membership.objects.create(project=hidden, user=cast.reviewer, role=Role.LABELLER)
    for project in (safety, hidden):
        refresh_snapshot(project_id=project.pk)
    worked.refresh()
    mine, other = worked.get("agreement")["axes"]
    assert (mine["slug"], mine["axis"], mine["n_ratings"]) == ("helpfulness", "helpfulness", 90)
    assert mine["disagreement"]["rate"] == pytest.approx(1 / 3)
    assert (other["slug"], other["axis"], other["alpha_nominal"]["too_few"]) == ("safety", "safety", True)


def test_pairs_of_labellers(worked: Worked) -> None:
    body = worked.get("agreement/pairs")
    ids = [one["id"] for one in body["labellers"]]
    one, two, third = (ids.index(user.pk) for user in (worked.cast.labeller, worked.cast.second_labeller, worked.third))
    assert body["kappa"][one][two] == body["kappa"][two][one] == pytest.approx(1)
    assert body["n"][one][third] == 30
    assert body["low"][one][third] < body["kappa"][one][third] < body["high"][one][third] < 0.9
    assert body["kappa"][one][one] is None
    assert {label["pseudonym"] for label in body["labellers"]} >= {worked.third.pseudonym}


def test_before_the_first_snapshot_there_are_no_numbers(cast: Cast) -> None:
    client = cast.client(cast.reviewer)
    body = client.get(f"{P}/agreement").json()
    assert (body["over_time"], body["versions"], body["slices"]) == ([], [], [])
    assert client.get(f"{P}/agreement/pairs").json()["labellers"] == []
    assert client.get(f"{P}/labellers").json()["results"] == []
    assert client.get(f"{P}/overview").json()["agreement"] is None


def test_an_empty_project_can_be_refreshed(cast: Cast) -> None:
    assert refresh_snapshot(project_id=cast.project.pk) is not None
    client = cast.client(cast.reviewer)
    assert client.get(f"{P}/agreement").json()["slices"] == []
    assert client.get(f"{P}/overview").json()["forecast"]["n_remaining"] == 0


def test_a_long_refresh_is_not_repeated_at_once(worked: Worked) -> None:
    pk = worked.cast.project.pk
    snapshot = AgreementSnapshot.objects.get(project=pk)
    snapshot.counts["seconds"] = 60.0
    snapshot.save()
    assert refresh_if_due(project_id=pk) is None, "ten times a minute have not passed"
    AgreementSnapshot.objects.filter(project=pk).update(computed_at=timezone.now() - timedelta(minutes=11))
    assert refresh_if_due(project_id=pk) is not None


def test_pay_is_a_setting_that_labellers_do_not_see(worked: Worked) -> None:
    cast = worked.cast
    owner = cast.client(cast.owner)
    assert owner.patch(P, {"pay_per_hour": "18.50"}, format="json").status_code == 400, "in which currency?"
    assert owner.patch(P, {"pay_per_hour": "0", "currency": "EUR"}, format="json").status_code == 400
    assert owner.patch(P, {"pay_per_hour": "18.50", "currency": "euro"}, format="json").status_code == 400
    body = owner.patch(P, {"pay_per_hour": "18.50", "currency": "EUR"}, format="json").json()
    assert (body["pay_per_hour"], body["currency"]) == ("18.50", "EUR")
    assert cast.client(cast.reviewer).get(P).json()["pay_per_hour"] == "18.50"
    told = cast.client(cast.labeller).get(P).json()
    assert (told["pay_per_hour"], told["currency"]) == (None, None)
    body = owner.patch(P, {"pay_per_hour": None, "currency": ""}, format="json").json()
    assert (body["pay_per_hour"], body["currency"]) == (None, "")


def test_figures_of_another_project_stay_there(worked: Worked) -> None:
    owner = make_user("someone else")
    other = create_project(owner=owner, name="Other")
    assert refresh_snapshot(project_id=other.pk) is not None
    body = worked.cast.client(owner).get(f"/api/v1/projects/{other.slug}/agreement").json()
    assert body["n_ratings"] == 0
