"""Who may work: by the versions there are, what they change, and what the labeller has read and passed."""

from dataclasses import dataclass, field

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.guidelines.models import QualificationAttempt
from annotate.guidelines.selectors import MAX_FAILURES, Standing, qualification, standing, version_rated_under
from annotate.guidelines.services import allow_more_attempts, publish_guidelines
from annotate.projects.services import update_project
from tests.annotate.guidelines.quizzes import example, publish, take
from tests.cast import Cast

OK, MUST_READ, MUST_PASS, FAILED = Standing


@dataclass(frozen=True)
class Version:
    n_asked: int
    changes_meaning: bool
    # What the labeller did at this version: True passed, False failed.
    attempts: list[bool] = field(default_factory=list)
    is_forgiven: bool = False


QUIZ, READ = 5, 0
CASES = {
    "no guidelines": ([], 0.8, OK),
    "a text without a quiz": ([Version(READ, True)], 0.8, MUST_READ),
    "a text that was read": ([Version(READ, True, [True])], 0.8, OK),
    "a quiz": ([Version(QUIZ, True)], 0.8, MUST_PASS),
    "a quiz in a project that asks none": ([Version(QUIZ, True)], 0, MUST_READ),
    "a passed quiz": ([Version(QUIZ, True, [True])], 0.8, OK),
    "a quiz failed twice": ([Version(QUIZ, True, [False, False])], 0.8, MUST_PASS),
    "a quiz failed three times": ([Version(QUIZ, True, [False] * 3)], 0.8, FAILED),
    "failed three times, where no quiz is asked any more": ([Version(QUIZ, True, [False] * 3)], 0, MUST_READ),
    "failed twice, then passed": ([Version(QUIZ, True, [False, False, True])], 0.8, OK),
    "failures set aside": ([Version(QUIZ, True, [False] * 3, is_forgiven=True)], 0.8, MUST_PASS),
    "a first version not marked as changing meaning": ([Version(QUIZ, False)], 0.8, MUST_PASS),
    "passed, then one that changes meaning": ([Version(QUIZ, True, [True]), Version(QUIZ, True)], 0.8, MUST_PASS),
    "passed, then one that changes meaning without a quiz": (
        [Version(QUIZ, True, [True]), Version(READ, True)],
        0.8,
        MUST_READ,
    ),
    "passed, then one that does not": ([Version(QUIZ, True, [True]), Version(QUIZ, False)], 0.8, OK),
    "passed, then several that do not": (
        [Version(QUIZ, True, [True]), Version(QUIZ, False), Version(READ, False)],
        0.8,
        OK,
    ),
    "one that changes meaning among those after the pass": (
        [Version(QUIZ, True, [True]), Version(QUIZ, True), Version(QUIZ, False)],
        0.8,
        MUST_PASS,
    ),
    "passed the newest, which changes nothing": (
        [Version(QUIZ, True), Version(QUIZ, True), Version(QUIZ, False, [True])],
        0.8,
        OK,
    ),
    "new, where the newest has no quiz": ([Version(QUIZ, True), Version(READ, False)], 0.8, MUST_READ),
    "failures at an older version": ([Version(QUIZ, True, [False] * 3), Version(QUIZ, False)], 0.8, MUST_PASS),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_as_the_rule_says(cast: Cast, case: str) -> None:
    versions, pass_share, expected = CASES[case]
    for wanted in versions:
        version = publish(cast, wanted.n_asked, changes_meaning=wanted.changes_meaning)
        type(version).objects.filter(pk=version.pk).update(changes_meaning=wanted.changes_meaning)
        for passed in wanted.attempts:
            QualificationAttempt.objects.create(
                labeller=cast.labeller,
                version=version,
                n_questions=wanted.n_asked,
                passed=passed,
                forgiven=wanted.is_forgiven and not passed,
            )
    cast.project.quiz_pass_share = pass_share
    assert standing(cast.labeller, cast.project) == expected


def test_it_knows_the_labeller_and_the_project(cast: Cast) -> None:
    publish(cast, QUIZ)
    take(cast, cast.labeller)
    assert standing(cast.labeller, cast.project) == OK
    assert standing(cast.second_labeller, cast.project) == MUST_PASS


@pytest.mark.parametrize("n_versions", [1, 12])
def test_it_costs_one_query_and_the_quiz_one_more(cast: Cast, n_versions: int) -> None:
    for _ in range(n_versions):
        publish(cast, QUIZ)
        take(cast, cast.labeller, n_wrong=QUIZ)
    with CaptureQueriesContext(connection) as queries:
        assert standing(cast.labeller, cast.project) == MUST_PASS
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        found = qualification(cast.labeller, cast.project)
        assert len({question.first for question in found.quiz}) == QUIZ
    assert len(queries) == 2


def test_a_tie_is_asked_only_where_it_can_be_answered(cast: Cast) -> None:
    publish_guidelines(
        project=cast.project, author=cast.owner, body="Text", examples=[example(1, preferred="tie"), example(2)]
    )
    assert len(qualification(cast.labeller, cast.project).quiz) == 2
    project = update_project(project=cast.project, actor=None, ties_allowed=False)
    assert [question.example.preferred for question in qualification(cast.labeller, project).quiz] == ["a"]


def test_failures_run_out_and_can_be_set_aside(cast: Cast) -> None:
    publish(cast, QUIZ)
    left = [take(cast, cast.labeller, n_wrong=QUIZ).n_attempts_left for _ in range(MAX_FAILURES)]
    assert left == [2, 1, 0]
    assert standing(cast.labeller, cast.project) == FAILED
    assert allow_more_attempts(project=cast.project, labeller_id=cast.labeller.pk, actor=cast.reviewer) == MAX_FAILURES
    found = qualification(cast.labeller, cast.project)
    assert (found.standing, found.n_attempts_left, found.attempt) == (MUST_PASS, MAX_FAILURES, MAX_FAILURES + 1)
    assert allow_more_attempts(project=cast.project, labeller_id=cast.labeller.pk, actor=cast.reviewer) == 0


def test_what_is_rated_under_is_the_newest_that_needs_no_more_reading(cast: Cast) -> None:
    def under(user: User) -> int | None:
        with CaptureQueriesContext(connection) as queries:
            version = version_rated_under(user, cast.project)
        assert len(queries) == 1
        return version.number if version else None

    found = [under(cast.labeller)]
    for changes_meaning in (True, False, True, False):
        publish(cast, READ, changes_meaning=changes_meaning)
        found.append(under(cast.labeller))
        if not found[-1]:
            take(cast, cast.labeller)
    assert found == [None, None, 2, 2, 2]
    take(cast, cast.labeller)
    assert [under(cast.labeller), under(cast.second_labeller)] == [4, None]
