"""Ranking over HTTP."""

from collections.abc import Callable
from uuid import uuid4

from django.utils import timezone

from annotate.pool.models import Completion
from annotate.projects.models import Membership
from annotate.rankings.models import Ranking, RankingAssignment
from annotate.ratings.models import Rating
from tests.cast import Cast

Make = Callable[..., list[Ranking]]
BASE = "/api/v1/projects/helpfulness"


def ask(cast: Cast, n: int = 3) -> dict:
    answer = cast.client(cast.labeller).post(f"{BASE}/rankings/next", {"n": n}, format="json")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def send(cast: Cast, ranking: dict, next: int = 0) -> dict:
    body = {"rankings": [ranking], "next": next}
    return cast.client(cast.labeller).post(f"{BASE}/rankings", body, format="json").json()


def test_a_labeller_sees_texts_in_their_order_and_nothing_else(cast: Cast, rankings: Make) -> None:
    rankings(1)
    body = ask(cast)
    (shown,) = body["assignments"]
    assert set(shown) == {"id", "prompt", "completions", "warnings", "lease_until"}
    order = RankingAssignment.objects.get().order
    texts = dict(Completion.objects.values_list("id", "text"))
    assert shown["completions"] == [{"text": texts[pk]} for pk in order]
    assert body["progress"] == {"ranked_today": 0, "ranked_total": 0, "available": 0, "available_is_capped": False}
    assert (body["guideline_version"], body["block"]) == (None, None)


def test_a_warning_names_the_sensitive_tags_of_the_prompt(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1)
    ranking.prompt.tags = ["violence", "long"]
    ranking.prompt.save()
    cast.project.sensitive_tags = ["violence"]
    cast.project.save()
    (shown,) = ask(cast)["assignments"]
    assert shown["warnings"] == ["violence"]


def test_ranking_returns_the_next_one(cast: Cast, rankings: Make) -> None:
    rankings(2)
    (first,) = ask(cast, 1)["assignments"]
    ranking = {"client_id": str(uuid4()), "assignment_id": first["id"], "tiers": [[3], [0, 1], [2]]}
    body = send(cast, ranking, next=1)
    assert [result["status"] for result in body["results"]] == ["accepted"]
    assert body["assignments"][0]["id"] != first["id"]
    assert (body["progress"]["ranked_today"], body["progress"]["ranked_total"]) == (1, 1)
    assert [result["status"] for result in send(cast, ranking)["results"]] == ["duplicate"]
    assert Rating.objects.count() == 6


def test_a_labeller_finds_their_rankings_as_they_made_them(cast: Cast, rankings: Make) -> None:
    rankings(1)
    (shown,) = ask(cast)["assignments"]
    send(cast, {"client_id": str(uuid4()), "assignment_id": shown["id"], "tiers": [[3], [0, 1], [2]]})
    (mine,) = cast.client(cast.labeller).get(f"{BASE}/my-rankings").json()["results"]
    assert (mine["tiers"], mine["assignment_id"]) == ([[3], [0, 1], [2]], shown["id"])
    assert mine["prompt_excerpt"] == "Question 0?"
    assert cast.client(cast.second_labeller).get(f"{BASE}/my-rankings").json()["results"] == []


def test_pairs_of_a_ranking_are_not_among_the_rated_pairs(cast: Cast, rankings: Make) -> None:
    rankings(1)
    (shown,) = ask(cast)["assignments"]
    send(cast, {"client_id": str(uuid4()), "assignment_id": shown["id"], "tiers": [[3], [0, 1], [2]]})
    assert cast.client(cast.labeller).get(f"{BASE}/my-ratings").json()["results"] == []


def test_a_pair_of_a_ranking_cannot_be_corrected_by_itself(cast: Cast, rankings: Make) -> None:
    rankings(1)
    (shown,) = ask(cast)["assignments"]
    send(cast, {"client_id": str(uuid4()), "assignment_id": shown["id"], "tiers": [[3], [0, 1], [2]]})
    rating = Rating.objects.first()
    correction = {
        "client_id": str(uuid4()), "assignment_id": rating.assignment_id, "preferred": "first", "intensity": 1,
        "supersedes": str(rating.client_id),
    }  # fmt: skip
    body = cast.client(cast.labeller).post(f"{BASE}/ratings", {"ratings": [correction]}, format="json").json()
    assert [(result["status"], result["code"]) for result in body["results"]] == [("rejected", "part_of_ranking")]


def test_a_malformed_ranking_is_named(cast: Cast) -> None:
    body = {"rankings": [{"client_id": "x", "assignment_id": 1, "tiers": [[9], []]}]}
    answer = cast.client(cast.labeller).post(f"{BASE}/rankings", body, format="json")
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == {
        "rankings.0.client_id", "rankings.0.tiers.0.0", "rankings.0.tiers.1",
    }  # fmt: skip


def test_skipping_moves_on(cast: Cast, rankings: Make) -> None:
    rankings(2)
    (first,) = ask(cast, 1)["assignments"]
    skipped = cast.client(cast.labeller).post(
        f"{BASE}/ranking-assignments/{first['id']}/skip", {"reason": "not my field"}, format="json"
    )
    assert skipped.status_code == 204
    (second,) = ask(cast, 3)["assignments"]
    assert second["id"] != first["id"]
    assert RankingAssignment.objects.get(pk=first["id"]).skip_reason == "not my field"


def test_somebody_elses_assignment_is_not_found(cast: Cast, rankings: Make) -> None:
    rankings(1)
    (shown,) = ask(cast)["assignments"]
    answer = cast.client(cast.second_labeller).post(
        f"{BASE}/ranking-assignments/{shown['id']}/skip", {"reason": "x"}, format="json"
    )
    assert answer.status_code == 404


def test_who_is_paused_is_told_why(cast: Cast, rankings: Make) -> None:
    rankings(1)
    Membership.objects.filter(user=cast.labeller).update(paused_at=timezone.now(), pause_reason="Talk to us first.")
    body = ask(cast)
    assert body["assignments"] == []
    assert body["block"] == {"code": "paused", "detail": "Talk to us first."}


def test_a_manager_sets_how_many_are_ranked(cast: Cast) -> None:
    client = cast.client(cast.owner)
    assert client.patch(BASE, {"ranking_size": 5}, format="json").json()["ranking_size"] == 5
    assert client.patch(BASE, {"ranking_size": None}, format="json").json()["ranking_size"] is None
    refused = client.patch(BASE, {"ranking_size": 2}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "ranking_size")
