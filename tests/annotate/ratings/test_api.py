"""Labelling and review over HTTP."""

from collections.abc import Callable
from uuid import uuid4

from annotate.comparisons.models import Comparison
from tests.cast import Cast

Make = Callable[..., list[Comparison]]
BASE = "/api/v1/projects/helpfulness"


def test_a_labeller_sees_texts_and_nothing_else(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    body = cast.client(cast.labeller).post(f"{BASE}/next", {"n": 3}, format="json").json()
    (assignment,) = body["assignments"]
    assert set(assignment) == {"id", "prompt", "first", "second", "warnings", "lease_until"}
    assert {assignment["first"]["text"], assignment["second"]["text"]} == {comparison.a.text, comparison.b.text}
    assert set(assignment["first"]) == {"text"}
    assert body["progress"] == {
        "rated_today": 0,
        "rated_total": 0,
        "available": 0,
        "available_is_capped": False,
        "gold": None,
    }


def test_rating_returns_the_next_pair(cast: Cast, comparisons: Make) -> None:
    comparisons(2)
    client = cast.client(cast.labeller)
    (first,) = client.post(f"{BASE}/next", {"n": 1}, format="json").json()["assignments"]
    rating = {"client_id": str(uuid4()), "assignment_id": first["id"], "preferred": "second", "intensity": 4}
    body = client.post(f"{BASE}/ratings", {"ratings": [rating], "next": 1}, format="json").json()
    assert [result["status"] for result in body["results"]] == ["accepted"]
    assert body["assignments"][0]["id"] != first["id"]
    assert (body["progress"]["rated_today"], body["progress"]["rated_total"]) == (1, 1)
    again = client.post(f"{BASE}/ratings", {"ratings": [rating], "next": 1}, format="json").json()
    assert [result["status"] for result in again["results"]] == ["duplicate"]
    (mine,) = client.get(f"{BASE}/my-ratings").json()["results"]
    assert (mine["preferred"], mine["intensity"]) == ("second", 4)


def test_a_malformed_rating_is_named(cast: Cast) -> None:
    rating = {"client_id": "not-a-uuid", "assignment_id": 1, "preferred": "left"}
    answer = cast.client(cast.labeller).post(f"{BASE}/ratings", {"ratings": [rating]}, format="json")
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {"ratings.0.client_id", "ratings.0.preferred"}


def rate(cast: Cast, user, side: str) -> None:
    """Rate the user's next pair so that stored side `side` is preferred."""
    from annotate.comparisons.models import Assignment

    client = cast.client(user)
    (shown,) = client.post(f"{BASE}/next", {"n": 1}, format="json").json()["assignments"]
    first = Assignment.objects.get(pk=shown["id"]).first
    rating = {
        "client_id": str(uuid4()),
        "assignment_id": shown["id"],
        "preferred": "first" if side == first else "second",
        "intensity": 2,
    }
    assert client.post(f"{BASE}/ratings", {"ratings": [rating]}, format="json").status_code == 200


def test_a_reviewer_finds_what_split_the_labellers(cast: Cast, comparisons: Make) -> None:
    split, agreed = comparisons(2)
    for user, sides in ((cast.labeller, "ab"), (cast.second_labeller, "bb")):
        for side in sides:
            rate(cast, user, side)
    client = cast.client(cast.reviewer)
    (found,) = client.get(f"{BASE}/comparisons?show=split&ordering=disagreement").json()["results"]
    assert (found["id"], found["disagreement"]) == (split.pk, 0.5)
    detail = client.get(f"{BASE}/comparisons/{split.pk}").json()
    assert [rating["preferred"] for rating in detail["ratings"]] == ["a", "b"]
    assert detail["a"]["source"] == {"name": "sft-model", "kind": "sft"}
    verdict = {"preferred": "a", "intensity": 3, "note": "a is right"}
    assert client.post(f"{BASE}/comparisons/{split.pk}/adjudication", verdict, format="json").status_code == 201
    settled = client.get(f"{BASE}/comparisons/{split.pk}").json()
    assert (settled["state"], settled["adjudication"]["verdict"]) == ("adjudicated", "a")
    assert agreed.pk != split.pk


def test_skip_and_flag_move_on(cast: Cast, comparisons: Make) -> None:
    comparisons(3)
    client = cast.client(cast.labeller)
    first, second = client.post(f"{BASE}/next", {"n": 2}, format="json").json()["assignments"]
    assert client.post(f"{BASE}/assignments/{first['id']}/skip", {"reason": "x"}, format="json").status_code == 204
    flag = {"kind": "harmful", "note": "violent"}
    assert client.post(f"{BASE}/assignments/{second['id']}/flag", flag, format="json").status_code == 204
    (third,) = client.post(f"{BASE}/next", {"n": 3}, format="json").json()["assignments"]
    assert third["id"] not in (first["id"], second["id"])
    (flagged,) = cast.client(cast.reviewer).get(f"{BASE}/comparisons?show=flagged").json()["results"]
    assert flagged["n_flags"] == 1
