"""Settling a comparison, and what is made of the verdict in the same step."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from annotate.accounts.models import User
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.comparisons.services import lease
from annotate.guidelines.models import GuidelineDraft
from annotate.pool.models import Prompt
from annotate.projects.models import AuditEvent
from annotate.projects.services import update_project
from annotate.ratings.models import Adjudication
from annotate.ratings.services import Judgement, set_gold, submit
from tests.annotate.guidelines.quizzes import publish
from tests.cast import Cast

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]


def settle(cast: Cast, comparison: Comparison, user: User | None = None, **fields: Any) -> Any:
    url = f"{P}/comparisons/{comparison.pk}/adjudication"
    body = {"preferred": "b", "intensity": 3, "note": "By the order of importance.", **fields}
    return cast.client(user or cast.reviewer).post(url, body, format="json")


def put_gold(cast: Cast, comparison: Comparison, preferred: str, intensity: int | None = 2) -> Any:
    url = f"{P}/comparisons/{comparison.pk}/gold"
    body = {"preferred": preferred, "intensity": intensity}
    return cast.client(cast.reviewer).put(url, body, format="json")


def rate(cast: Cast, user: User) -> None:
    (held,) = lease(seat=cast.seat(user), n=1)
    submit(seat=cast.seat(user), judgements=[Judgement(uuid4(), held.pk, "first", 2)])


class TestTheVerdict:
    def test_it_names_the_section_and_the_version_that_decide(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        publish(cast)
        (comparison,) = comparisons(1)
        answer = settle(cast, comparison, guideline_section="Truth")
        assert answer.status_code == 201, answer.json()
        body = answer.json()
        assert set(body) == {
            *("id", "reviewer", "verdict", "intensity", "note", "guideline_section", "guideline_version"),
            *("created_at", "draft_revision"),
        }
        assert (body["guideline_section"], body["guideline_version"], body["draft_revision"]) == ("Truth", 2, None)
        shown = cast.client(cast.reviewer).get(f"{P}/comparisons/{comparison.pk}").json()
        assert {**shown["adjudication"], "draft_revision": None} == body

    def test_without_steps_it_is_only_settled(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        body = settle(cast, comparison).json()
        assert (body["guideline_section"], body["guideline_version"]) == ("", None)
        comparison.refresh_from_db()
        assert (comparison.state, comparison.gold_preferred) == (ComparisonState.ADJUDICATED, None)
        assert not GuidelineDraft.objects.exists()

    def test_it_is_recorded_with_its_steps(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        settle(cast, comparison, guideline_section="Truth", then={"guideline_note": "Say it."})
        event = AuditEvent.objects.get()
        assert (event.action, event.actor, event.target, event.target_id) == (
            "comparison.adjudicated",
            cast.reviewer,
            "comparison",
            str(comparison.pk),
        )
        assert event.summary == f"Comparison {comparison.pk} is settled: B is better, intensity 3"
        assert event.details == {
            "verdict": "b",
            "intensity": 3,
            "guideline_section": "Truth",
            "guideline_version": None,
            "gold": False,
            "worked_example": False,
            "guideline_note": True,
        }


class TestGold:
    def test_the_verdict_is_the_known_answer(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        assert settle(cast, comparison, then={"gold": True}).status_code == 201
        comparison.refresh_from_db()
        assert comparison.state == ComparisonState.CLOSED
        assert (comparison.gold_preferred, comparison.gold_intensity) == ("b", 3)
        assert comparison.gold_by == cast.reviewer
        actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
        assert list(actions) == ["comparison.adjudicated", "comparison.gold_set"]

    def test_it_is_mixed_into_the_work_of_those_who_have_not_seen_it(self, cast: Cast, comparisons: Make) -> None:
        update_project(project=cast.project, actor=None, gold_rate=0.5)
        cast.project.refresh_from_db()
        comparison, *_ = comparisons(30)
        settle(cast, comparison, then={"gold": True})
        held = lease(seat=cast.seat(cast.labeller), n=20)
        assert [one.kind for one in held if one.comparison_id == comparison.pk] == ["gold"]
        assert comparison.pk not in {one.comparison_id for one in lease(seat=cast.seat(cast.reviewer), n=20)}

    def test_without_its_known_answer_it_is_settled_still(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        settle(cast, comparison, then={"gold": True})
        answer = cast.client(cast.reviewer).delete(f"{P}/comparisons/{comparison.pk}/gold")
        assert (answer.json()["state"], answer.json()["is_gold"]) == ("adjudicated", False)
        event = AuditEvent.objects.get(action="comparison.gold_unset")
        assert (event.actor, event.details) == (cast.reviewer, {"was": "b"})

    @pytest.mark.parametrize(("preferred", "status"), [("b", 200), ("a", 409), ("tie", 409)])
    def test_what_is_settled_can_be_gold_by_its_verdict_alone(
        self, cast: Cast, comparisons: Make, preferred: str, status: int
    ) -> None:
        (comparison,) = comparisons(1)
        settle(cast, comparison)
        answer = put_gold(cast, comparison, preferred, None if preferred == "tie" else 2)
        assert answer.status_code == status
        comparison.refresh_from_db()
        if status == 200:
            assert (comparison.state, comparison.gold_preferred) == (ComparisonState.CLOSED, "b")
        else:
            assert answer.json()["code"] == "adjudicated"
            assert (comparison.state, comparison.gold_preferred) == (ComparisonState.ADJUDICATED, None)

    @pytest.mark.parametrize(
        ("verdict", "gold", "state"),
        [("b", "b", "closed"), ("a", None, "adjudicated"), ("invalid", None, "adjudicated")],
    )
    def test_a_verdict_on_gold_keeps_or_ends_it(
        self, cast: Cast, comparisons: Make, verdict: str, gold: str | None, state: str
    ) -> None:
        (comparison,) = comparisons(1)
        put_gold(cast, comparison, "b")
        settle(cast, comparison, preferred=verdict, intensity=None if verdict == "invalid" else 2)
        comparison.refresh_from_db()
        assert (comparison.gold_preferred, comparison.state) == (gold, state)
        assert AuditEvent.objects.filter(action="comparison.gold_unset").exists() == (gold is None)

    def test_a_tie_is_known_where_there_are_ties(self, cast: Cast, comparisons: Make) -> None:
        one, other = comparisons(2)
        assert settle(cast, one, preferred="tie", intensity=None, then={"gold": True}).status_code == 201
        update_project(project=cast.project, actor=None, ties_allowed=False)
        answer = settle(cast, other, preferred="tie", intensity=None, then={"gold": True})
        assert answer.json()["code"] == "ties_not_allowed"
        assert not Adjudication.objects.filter(comparison=other).exists(), "all of it or nothing"

    def test_changing_ordinary_gold_is_recorded(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        for preferred in ("a", None, None):
            set_gold(
                project=cast.project,
                reviewer=cast.reviewer,
                comparison_id=comparison.pk,
                preferred=preferred,
                intensity=2 if preferred else None,
            )
        actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
        assert list(actions) == ["comparison.gold_set", "comparison.gold_unset"]


class TestTheDraft:
    def test_the_pair_becomes_a_worked_example(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        step = {"rationale": "Beta says why.", "in_quiz": True}
        answer = settle(cast, comparison, then={"worked_example": step})
        assert answer.json()["draft_revision"] == 1
        draft = GuidelineDraft.objects.get()
        assert draft.updated_by == cast.reviewer
        assert draft.examples == [
            {
                "prompt": comparison.prompt.messages[0]["content"],
                "completion_a": comparison.a.text,
                "completion_b": comparison.b.text,
                "preferred": "b",
                "intensity": 3,
                "rationale": "Beta says why.",
                "in_quiz": True,
                "comparison": comparison.pk,
            }
        ]

    def test_a_conversation_is_shown_whole(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "Why?"},
        ]
        Prompt.objects.filter(pk=comparison.prompt_id).update(messages=messages)
        settle(cast, comparison, then={"worked_example": {"rationale": "So."}})
        (example,) = GuidelineDraft.objects.get().examples
        assert example["prompt"] == "System: Be brief.\n\nUser: Hello\n\nAssistant: Hi.\n\nUser: Why?"

    def test_a_note_stands_with_its_section(self, cast: Cast, comparisons: Make) -> None:
        publish(cast)
        (comparison,) = comparisons(1)
        answer = settle(cast, comparison, guideline_section="Truth", then={"guideline_note": "What of guesses?"})
        assert answer.json()["draft_revision"] == 1
        draft = GuidelineDraft.objects.get()
        assert draft.body == "Text 1"
        (note,) = draft.notes
        assert (note["comparison"], note["section"], note["text"]) == (comparison.pk, "Truth", "What of guesses?")

    def test_all_steps_at_once(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        then = {"gold": True, "worked_example": {"rationale": "So."}, "guideline_note": "Say it."}
        assert settle(cast, comparison, then=then).json()["draft_revision"] == 1
        comparison.refresh_from_db()
        draft = GuidelineDraft.objects.get()
        assert (comparison.gold_preferred, len(draft.examples), len(draft.notes)) == ("b", 1, 1)

    def test_the_next_version_shows_it_with_its_comparison(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        settle(cast, comparison, then={"worked_example": {"rationale": "So."}})
        client = cast.client(cast.reviewer)
        draft = client.get(f"{P}/guidelines/draft").json()
        body = {"body": "# Truth", "examples": draft["examples"], "draft_revision": draft["revision"]}
        published = client.post(f"{P}/guidelines", body, format="json")
        assert published.status_code == 201, published.json()
        assert [one["comparison"] for one in published.json()["examples"]] == [comparison.pk]


class TestRefusals:
    @pytest.mark.parametrize(
        "then", [{"gold": True}, {"worked_example": {"rationale": "So."}}, {"worked_example": {"rationale": ""}}]
    )
    def test_what_is_not_valid_is_nothing_to_learn_from(self, cast: Cast, comparisons: Make, then: dict) -> None:
        (comparison,) = comparisons(1)
        assert settle(cast, comparison, preferred="invalid", intensity=None, then=then).status_code == 400
        assert not Adjudication.objects.exists()

    def test_what_is_not_valid_may_be_noted(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        then = {"guideline_note": "Say what is not to be asked."}
        assert settle(cast, comparison, preferred="invalid", intensity=None, then=then).status_code == 201

    def test_a_quiz_cannot_ask_for_a_tie_where_there_are_none(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        update_project(project=cast.project, actor=None, ties_allowed=False)
        then = {"worked_example": {"rationale": "So.", "in_quiz": True}}
        answer = settle(cast, comparison, preferred="tie", intensity=None, then=then)
        assert (answer.status_code, answer.json()["code"]) == (400, "examples_unanswerable")
        comparison.refresh_from_db()
        assert comparison.state == ComparisonState.OPEN
        assert not Adjudication.objects.exists() and not AuditEvent.objects.filter(action__startswith="comp").exists()

    def test_who_rated_it_makes_nothing_of_it(self, cast: Cast, comparisons: Make) -> None:
        (comparison,) = comparisons(1)
        rate(cast, cast.reviewer)
        answer = settle(cast, comparison, then={"gold": True})
        assert answer.json()["code"] == "own_rating"
        assert settle(cast, comparison, cast.owner, then={"gold": True}).status_code == 201
