"""Guidelines, the quiz and its attempts over HTTP; and that nobody is told the answers beforehand."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt
from annotate.guidelines.services import publish_guidelines
from annotate.projects.models import Membership
from annotate.projects.services import create_project, update_project
from tests.annotate.guidelines.quizzes import example, publish, take
from tests.cast import Cast, make_user

P = "/api/v1/projects/helpfulness"


def get(cast: Cast, user: User, path: str) -> Any:
    answer = cast.client(user).get(f"{P}/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(cast: Cast, user: User, path: str, body: dict[str, Any]) -> Any:
    return cast.client(user).post(f"{P}/{path}", body, format="json")


class TestPublishing:
    def test_it_takes_what_is_asked_and_whether_meaning_changes(self, cast: Cast) -> None:
        body = {"body": "Text", "examples": [example(1), example(2, in_quiz=False)]}
        first = post(cast, cast.reviewer, "guidelines", body)
        assert first.status_code == 201
        assert [one["in_quiz"] for one in first.json()["examples"]] == [True, False]
        assert first.json()["changes_meaning"] is True, "the first always does"
        second = post(cast, cast.reviewer, "guidelines", body).json()
        third = post(cast, cast.reviewer, "guidelines", {**body, "changes_meaning": True}).json()
        assert (second["changes_meaning"], third["changes_meaning"]) == (False, True)

    def test_examples_are_shown_unless_they_say_otherwise(self, cast: Cast) -> None:
        shown = {key: value for key, value in example(1).items() if key != "in_quiz"}
        made = post(cast, cast.reviewer, "guidelines", {"body": "Text", "examples": [shown]}).json()
        assert made["examples"][0]["in_quiz"] is False

    def test_what_somebody_else_published_meanwhile_is_not_written_over(self, cast: Cast) -> None:
        body = {"body": "Text", "based_on": 0}
        assert post(cast, cast.reviewer, "guidelines", body).status_code == 201
        late = post(cast, cast.owner, "guidelines", body)
        assert (late.status_code, late.json()["code"], late.json()["current"]) == (409, "guidelines_changed", 1)
        assert post(cast, cast.owner, "guidelines", {**body, "based_on": 1}).json()["number"] == 2

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"intensity": 3}, "examples.1.intensity"),
            ({"preferred": "tie", "intensity": None}, "examples.1.in_quiz"),
        ],
    )
    def test_it_refuses_what_nobody_could_answer(self, cast: Cast, change: dict[str, Any], field: str) -> None:
        update_project(
            project=cast.project, actor=None, ties_allowed=False, intensity_labels=["better", "slightly better"]
        )
        good = {**example(1), "intensity": 1}
        answer = post(cast, cast.owner, "guidelines", {"body": "Text", "examples": [good, {**good, **change}]})
        assert (answer.status_code, answer.json()["code"]) == (400, "examples_unanswerable")
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert not GuidelineVersion.objects.exists()


class TestAnswersAreNotGivenAway:
    """Whoever has still to pass finds neither verdict nor rationale of what is asked, anywhere."""

    PATHS = ("guidelines", "guidelines/1", "guidelines/current", "qualification")

    @pytest.fixture
    def version(self, cast: Cast) -> GuidelineVersion:
        return publish(cast, 5, n_shown=2)

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("role", ["labeller", "researcher"])
    def test_before_the_quiz(self, cast: Cast, version: GuidelineVersion, path: str, role: str) -> None:
        text = json.dumps(get(cast, getattr(cast, role), path))
        asked = list(version.examples.filter(in_quiz=True))
        assert len(asked) == 5
        assert [one for one in asked if one.rationale in text] == []
        questions = get(cast, getattr(cast, role), "qualification")["quiz"]
        assert {frozenset(question) for question in questions} == {
            frozenset({"id", "prompt", "completion_a", "completion_b"})
        }
        if path != "qualification":
            assert [one for one in asked if one.prompt in text] == []
            shown = list(version.examples.filter(in_quiz=False))
            assert [one.rationale in text for one in shown] == [True, True]

    def test_after_it(self, cast: Cast, version: GuidelineVersion) -> None:
        take(cast, cast.labeller, n_wrong=5)
        assert len(get(cast, cast.labeller, "guidelines/1")["examples"]) == 2
        take(cast, cast.labeller)
        assert len(get(cast, cast.labeller, "guidelines/1")["examples"]) == 7
        assert len(get(cast, cast.second_labeller, "guidelines/1")["examples"]) == 2

    @pytest.mark.parametrize("role", ["reviewer", "owner"])
    def test_who_writes_them_sees_them(self, cast: Cast, version: GuidelineVersion, role: str) -> None:
        assert len(get(cast, getattr(cast, role), "guidelines/1")["examples"]) == 7

    def test_a_version_that_changes_nothing_stays_open_to_who_has_passed(self, cast: Cast, version: Any) -> None:
        take(cast, cast.labeller)
        publish(cast, 3)
        assert len(get(cast, cast.labeller, "guidelines/2")["examples"]) == 3
        assert get(cast, cast.second_labeller, "guidelines/2")["examples"] == []

    def test_an_older_version_does_not_tell_what_the_current_one_asks(self, cast: Cast) -> None:
        """The same pair, shown in the first version and asked in the second, in either order."""
        swapped = {**example(1), "completion_a": "beta 1", "completion_b": "alpha 1", "preferred": "b"}
        versions = [[example(1, in_quiz=False), example(2, in_quiz=False)], [swapped]]
        for examples in versions:
            publish_guidelines(
                project=cast.project, author=cast.owner, body="Text", changes_meaning=True, examples=examples
            )
        seen = [one["prompt"] for one in get(cast, cast.labeller, "guidelines/1")["examples"]]
        assert seen == ["Prompt 2"]
        take(cast, cast.labeller)
        assert len(get(cast, cast.labeller, "guidelines/1")["examples"]) == 2

    def test_who_passed_an_older_version_is_not_told_the_newer_ones_answers(self, cast: Cast) -> None:
        same = {"project": cast.project, "author": cast.owner, "body": "Text", "changes_meaning": True}
        publish_guidelines(**same, examples=[example(1)])
        take(cast, cast.labeller)
        assert len(get(cast, cast.labeller, "guidelines/1")["examples"]) == 1
        publish_guidelines(**same, examples=[example(1)])
        assert [one["examples"] for one in get(cast, cast.labeller, "guidelines")["results"]] == [[], []]

    def test_all_is_shown_where_no_quiz_is_asked(self, cast: Cast, version: GuidelineVersion) -> None:
        update_project(project=cast.project, actor=None, quiz_pass_share=0)
        assert len(get(cast, cast.labeller, "guidelines/1")["examples"]) == 7

    @pytest.mark.parametrize("n_versions", [1, 8])
    def test_the_list_costs_the_same_however_many_versions(self, cast: Cast, n_versions: int) -> None:
        for _ in range(n_versions):
            publish(cast, 3, n_shown=2, changes_meaning=True)
        client = cast.client(cast.labeller)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{P}/guidelines")
        assert len(queries) == 5


class TestQualification:
    def test_without_guidelines_there_is_nothing_to_do(self, cast: Cast) -> None:
        found = get(cast, cast.labeller, "qualification")
        assert (found["standing"], found["version"], found["quiz"]) == ("ok", None, [])
        answer = post(cast, cast.labeller, "qualification", {"version": 1})
        assert (answer.status_code, answer.json()["code"]) == (404, "no_guidelines")

    def test_it_says_what_is_to_be_done(self, cast: Cast) -> None:
        publish(cast, 5)
        found = get(cast, cast.labeller, "qualification")
        assert len(found.pop("quiz")) == 5
        assert found == {
            "standing": "must_pass",
            "version": 1,
            "passed_version": None,
            "attempt": 1,
            "n_attempts_left": 3,
            "pass_share": 0.8,
            "n_needed": 4,
        }

    def test_a_quiz_is_answered_and_fed_back(self, cast: Cast) -> None:
        publish(cast, 2)
        quiz = get(cast, cast.labeller, "qualification")["quiz"]
        # "alpha" is better in the one, "beta" in the other.
        verdicts = {"Prompt 100": "alpha 100", "Prompt 101": "beta 101"}
        answers = [
            {
                "example": one["id"],
                "preferred": "first" if one["completion_a"] == verdicts[one["prompt"]] else "second",
                "intensity": 1,
            }
            for one in quiz
        ]
        answer = post(cast, cast.labeller, "qualification", {"version": 1, "attempt": 1, "answers": answers})
        assert answer.status_code == 200
        body = answer.json()
        assert (body["passed"], body["n_right"], body["n_questions"]) == (True, 2, 2)
        assert [(one["example"], one["preferred"]) for one in body["answers"]] == [
            (one["example"], one["preferred"]) for one in answers
        ]
        assert {one["rationale"] for one in body["answers"]} == {"Because of 100.", "Because of 101."}
        again = post(cast, cast.labeller, "qualification", {"version": 1, "attempt": 1, "answers": answers})
        assert (again.status_code, again.json()) == (200, body)
        found = get(cast, cast.labeller, "qualification")
        assert (found["standing"], found["passed_version"], found["quiz"]) == ("ok", 1, [])

    def test_reading_is_posted_without_answers(self, cast: Cast) -> None:
        publish(cast)
        assert get(cast, cast.labeller, "qualification")["standing"] == "must_read"
        assert post(cast, cast.labeller, "qualification", {"version": 1}).json()["passed"] is True
        assert get(cast, cast.labeller, "qualification")["standing"] == "ok"

    def test_a_version_that_has_gone_by_is_refused(self, cast: Cast) -> None:
        publish(cast)
        publish(cast)
        answer = post(cast, cast.labeller, "qualification", {"version": 1})
        assert (answer.status_code, answer.json()["code"], answer.json()["current"]) == (409, "guidelines_changed", 2)
        assert answer.json()["errors"][0]["field"] == "version"

    def test_missing_answers_are_refused(self, cast: Cast) -> None:
        publish(cast, 2)
        answer = post(cast, cast.labeller, "qualification", {"version": 1, "answers": []})
        assert (answer.status_code, answer.json()["code"]) == (400, "answers_missing")
        assert answer.json()["errors"][0]["field"] == "answers"
        assert len(answer.json()["missing"]) == 2

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "version"),
            ({"version": 1, "answers": [{"example": 1, "preferred": "a"}]}, "answers.0.preferred"),
            ({"version": 1, "answers": [{"preferred": "first"}]}, "answers.0.example"),
        ],
    )
    def test_what_is_no_answer_is_refused(self, cast: Cast, body: dict[str, Any], field: str) -> None:
        publish(cast, 2)
        answer = post(cast, cast.labeller, "qualification", body)
        assert answer.status_code == 400
        assert field in [error["field"] for error in answer.json()["errors"]]


class TestReviewing:
    def test_attempts_are_listed_newest_first_by_pseudonym(self, cast: Cast) -> None:
        publish(cast, 4)
        take(cast, cast.labeller, n_wrong=4)
        take(cast, cast.second_labeller)
        rows = get(cast, cast.reviewer, "qualifications")["results"]
        assert [(row["labeller"]["pseudonym"], row["n_right"], row["passed"]) for row in rows] == [
            (cast.second_labeller.pseudonym, 4, True),
            (cast.labeller.pseudonym, 0, False),
        ]
        assert (rows[0]["version"], rows[0]["n_questions"], rows[0]["forgiven"]) == (1, 4, False)
        assert "name" not in rows[0]["labeller"]

    def test_pages_are_turned_and_cost_the_same(self, cast: Cast) -> None:
        publish(cast, 2)
        for number in range(5):
            user = make_user(f"somebody {number}")
            Membership.objects.create(project=cast.project, user=user)
            take(cast, user)
        client = cast.client(cast.reviewer)
        with CaptureQueriesContext(connection) as queries:
            first = client.get(f"{P}/qualifications?page_size=3").json()
        assert len(queries) == 2
        second = client.get(first["next"]).json()
        assert [len(page["results"]) for page in (first, second)] == [3, 2]

    def test_another_attempt_is_allowed(self, cast: Cast) -> None:
        publish(cast, 4)
        for _ in range(3):
            take(cast, cast.labeller, n_wrong=4)
        take(cast, cast.second_labeller, n_wrong=4)
        rows = get(cast, cast.reviewer, "qualifications")["results"]
        blocking = {row["labeller"]["id"]: row["is_blocking"] for row in rows}
        assert blocking == {cast.labeller.pk: True, cast.second_labeller.pk: False}
        answer = post(cast, cast.reviewer, f"qualifications/{cast.labeller.pk}/allow", {})
        assert (answer.status_code, answer.json()) == (200, {"n_forgiven": 3})
        rows = get(cast, cast.reviewer, "qualifications")["results"]
        assert [row["forgiven"] for row in rows] == [False, True, True, True]
        assert not any(row["is_blocking"] for row in rows)
        assert get(cast, cast.labeller, "qualification")["standing"] == "must_pass"

    def test_failures_at_an_older_version_stay(self, cast: Cast) -> None:
        publish(cast, 4)
        take(cast, cast.labeller, n_wrong=4)
        publish(cast, 4, changes_meaning=True)
        answer = post(cast, cast.reviewer, f"qualifications/{cast.labeller.pk}/allow", {})
        assert answer.json() == {"n_forgiven": 0}
        assert not QualificationAttempt.objects.filter(forgiven=True).exists()

    def test_who_is_no_member_is_not_found(self, cast: Cast) -> None:
        publish(cast, 4)
        answer = post(cast, cast.reviewer, f"qualifications/{cast.outsider.pk}/allow", {})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_other_projects_attempts_are_not_listed(self, cast: Cast) -> None:
        publish(cast, 2)
        take(cast, cast.labeller)
        create_project(owner=cast.reviewer, name="Mine", slug="mine")
        assert cast.client(cast.reviewer).get("/api/v1/projects/mine/qualifications").json()["results"] == []
