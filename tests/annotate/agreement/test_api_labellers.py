"""Labellers: their figures in a sorted table, one of them in full, and where they differ from all."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotate.agreement.models import LabellerFigures
from annotate.agreement.services import refresh_snapshot
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt
from annotate.projects.models import Membership, Message
from annotate.projects.services import create_project, exclude_member
from tests.annotate.agreement.conftest import P, Worked
from tests.cast import make_user


def test_the_table_has_everybody_with_ratings(worked: Worked) -> None:
    cast = worked.cast
    body = worked.get("labellers")
    assert (body["count"], body["next"], body["previous"]) == (3, None, None)
    row = next(row for row in body["results"] if row["id"] == worked.third.pk)
    member = Membership.objects.get(user=worked.third, project=cast.project)
    assert (row["membership"], row["pseudonym"], row["n_ratings"]) == (member.pk, worked.third.pseudonym, 30)
    assert (row["kind"], row["name"], row["is_active"]) == ("person", "third labeller", True)
    assert row["with_others"]["value"] == pytest.approx(0.5)
    assert row["with_others"]["low"] < 0.5 < row["with_others"]["high"]
    assert row["gold"] == {"value": None, "low": None, "high": None, "n": 0, "too_few": True}
    assert row["median_active_ms"] is None, "their time is not known"
    other = next(row for row in body["results"] if row["id"] == cast.labeller.pk)
    assert other["median_active_ms"] == 20_000
    assert other["reliability"]["value"] > row["reliability"]["value"]


@pytest.mark.parametrize("key", ["with_others", "reliability", "n_ratings", "n_findings"])
def test_it_is_sorted_by_any_figure(worked: Worked, key: str) -> None:
    def shown(ordering: str) -> list[float]:
        rows = worked.get("labellers", ordering=ordering)["results"]
        return [row[key]["value"] if isinstance(row[key], dict) else row.get(key, 0) for row in rows if key in row]

    assert shown(key) == sorted(shown(key))
    assert shown(f"-{key}") == sorted(shown(key), reverse=True)


def test_who_lacks_the_figure_comes_last_either_way(worked: Worked) -> None:
    for ordering in ("median_active_ms", "-median_active_ms"):
        assert worked.get("labellers", ordering=ordering)["results"][-1]["id"] == worked.third.pk
    answer = worked.cast.client(worked.cast.reviewer).get(f"{P}/labellers?ordering=email")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_pages_and_search(worked: Worked) -> None:
    page = worked.get("labellers", page_size=2, ordering="n_ratings")
    assert page["count"] == 3
    assert len(page["results"]) == 2
    rest = worked.cast.client(worked.cast.reviewer).get(page["next"]).json()
    assert len(rest["results"]) == 1
    found = worked.get("labellers", search=worked.third.pseudonym[2:].lower())["results"]
    assert [row["id"] for row in found] == [worked.third.pk]
    assert [row["id"] for row in worked.get("labellers", search="third lab")["results"]] == [worked.third.pk]


def test_names_are_for_those_who_act_on_them(worked: Worked) -> None:
    cast = worked.cast
    rows = worked.get("labellers", user=cast.researcher)["results"]
    assert {row["name"] for row in rows} == {None}
    assert worked.get("labellers", user=cast.researcher, search="third lab")["count"] == 0, "nor are they searched"


def test_one_labeller_in_full(worked: Worked) -> None:
    cast = worked.cast
    version = GuidelineVersion.objects.create(project=cast.project, number=1, body="x")
    QualificationAttempt.objects.create(labeller=worked.third, version=version, passed=True, n_questions=4, n_right=3)
    Message.objects.create(project=cast.project, sender=cast.reviewer, recipient=worked.third, text="Please read §2.")
    body = worked.get(f"labellers/{worked.third.pk}")
    assert [week["n_ratings"] for week in body["weeks"]] == [30]
    today = timezone.now().date()
    monday = body["weeks"][0]["week"]
    assert monday == (today - timedelta(days=today.weekday())).isoformat()
    assert body["versions"] == [{"version": 0, "n_ratings": 30, "with_others": body["versions"][0]["with_others"]}]
    (attempt,) = body["qualifications"]
    assert (attempt["version"], attempt["passed"], attempt["n_right"], attempt["n_questions"]) == (1, True, 3, 4)
    assert [message["text"] for message in body["messages"]] == ["Please read §2."]
    assert worked.get(f"labellers/{worked.third.pk}", user=cast.researcher)["messages"] == [], "between two people"


def test_a_member_without_ratings_has_a_page_and_others_have_none(worked: Worked) -> None:
    cast = worked.cast
    body = worked.get(f"labellers/{cast.researcher.pk}")
    assert (body["n_ratings"], body["weeks"], body["with_others"]["too_few"]) == (0, [], True)
    client = cast.client(cast.reviewer)
    for path in (f"labellers/{cast.outsider.pk}", f"labellers/{cast.outsider.pk}/disagreements", "labellers/99999999"):
        assert client.get(f"{P}/{path}").status_code == 404


def test_a_labeller_of_another_project_is_not_here(worked: Worked) -> None:
    owner = make_user("someone else")
    other = create_project(owner=owner, name="Other")
    client = worked.cast.client(owner)
    assert client.get(f"/api/v1/projects/{other.slug}/labellers/{worked.third.pk}").status_code == 404
    assert client.get(f"/api/v1/projects/{other.slug}/labellers").json()["count"] == 0


def test_where_they_differ_from_all(worked: Worked) -> None:
    body = worked.get(f"labellers/{worked.third.pk}/disagreements", page_size=200)
    assert {row["comparison"] for row in body["results"]} == {one.pk for one in worked.comparisons[1::2]}
    row = body["results"][0]
    said, others = row["rating"]["preferred"], {"a": "p_b", "b": "p_a"}[row["rating"]["preferred"]]
    assert row["answer"][others] > 0.5
    assert (row["answer"]["expected_intensity"] > 0) == (said == "b")
    assert row["prompt_excerpt"]
    agreeing = worked.get(f"labellers/{worked.cast.labeller.pk}/disagreements")
    assert agreeing["results"] == []


def test_who_is_excluded_keeps_their_figures_and_moves_nobody_elses(worked: Worked) -> None:
    cast = worked.cast
    before = {row["id"]: row for row in worked.get("labellers")["results"]}
    exclude_member(project=cast.project, user_id=worked.third.pk, actor=cast.reviewer, reason="Clicks at random.")
    worked.refresh()
    after = {row["id"]: row for row in worked.get("labellers")["results"]}
    assert after[worked.third.pk]["with_others"] == before[worked.third.pk]["with_others"]
    assert after[worked.third.pk]["exclusion_reason"] == "Clicks at random."
    assert after[cast.labeller.pk]["with_others"]["value"] == 1
    body = worked.get("agreement")
    assert (body["excluded_labellers"], body["n_labellers"], body["n_ratings"]) == (1, 2, 60)
    assert body["percent_agreement"]["value"] == 1


def test_who_has_no_rating_any_more_has_no_row(worked: Worked) -> None:
    LabellerFigures.objects.create(project=worked.cast.project, labeller=worked.cast.outsider, n_ratings=3)
    assert refresh_snapshot(project_id=worked.cast.project.pk) is not None
    assert worked.get("labellers")["count"] == 3
