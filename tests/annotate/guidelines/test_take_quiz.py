"""Grading, what is drawn, and that no race gives more attempts than there are."""

import threading
from collections import Counter

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from annotate.common.errors import DomainError
from annotate.guidelines.models import QualificationAttempt, WorkedExample
from annotate.guidelines.quiz import draw, n_needed
from annotate.guidelines.selectors import MAX_FAILURES, Standing, qualification, standing
from annotate.guidelines.services import Answer, publish_guidelines, take_quiz
from annotate.projects.services import update_project
from tests.annotate.guidelines.quizzes import example, publish, right, take, wrong
from tests.cast import Cast


def test_it_passes_at_the_projects_share_and_not_below(cast: Cast) -> None:
    publish(cast, 5)
    below = take(cast, cast.labeller, n_wrong=2)
    assert (below.passed, below.n_right, below.n_questions, below.n_attempts_left) == (False, 3, 5, 2)
    at = take(cast, cast.labeller, n_wrong=1)
    assert (at.passed, at.n_right, at.n_attempts_left) == (True, 4, 2)
    assert standing(cast.labeller, cast.project) == Standing.OK


@pytest.mark.parametrize(
    ("share", "n_questions", "expected"),
    # 0.55 * 20 is 11.000000000000002 in floats, 0.07 * 100 is 7.000000000000001.
    [(0.8, 5, 4), (0.55, 20, 11), (0.07, 100, 7), (0.5, 3, 2), (1, 4, 4), (0.8, 0, 0), (0.01, 5, 1)],
)
def test_the_share_is_rounded_up(share: float, n_questions: int, expected: int) -> None:
    assert n_needed(n_questions=n_questions, pass_share=share) == expected


def test_it_grades_the_side_and_feeds_the_rest_back(cast: Cast) -> None:
    publish(cast, 2)
    quiz = qualification(cast.labeller, cast.project).quiz
    answers = [right(quiz[0]), wrong(quiz[1])]
    result = take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=1, answers=answers)
    assert [marked.is_right for marked in result.answers] == [True, False]
    for marked, question in zip(result.answers, quiz, strict=True):
        assert (marked.example, marked.preferred) == (question.example.pk, question.verdict)
        assert (marked.intensity, marked.rationale) == (3, question.example.rationale)
    made = QualificationAttempt.objects.get()
    stored = {one["example"]: one for one in made.answers}
    for question, answer in zip(quiz, answers, strict=True):
        one = stored[question.example.pk]
        # In the example's own order, whatever stood first on the screen.
        assert (one["preferred"] == question.example.preferred) == one["is_right"]
        assert one["intensity"] == answer.intensity


def test_what_was_preferred_first_is_read_by_the_drawn_side(cast: Cast) -> None:
    """Always the first: right exactly where the better one was drawn to stand there."""
    publish(cast, 12)
    quiz = qualification(cast.labeller, cast.project).quiz
    assert {question.is_swapped for question in quiz} == {False, True}
    answers = [Answer(question.example.pk, "first", 1) for question in quiz]
    result = take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=1, answers=answers)
    better_first = [(question.example.preferred == "a") != question.is_swapped for question in quiz]
    assert [marked.is_right for marked in result.answers] == better_first
    assert result.n_right == sum(better_first)


def test_a_tie_is_right_where_the_guidelines_say_tie(cast: Cast) -> None:
    publish_guidelines(
        project=cast.project, author=cast.owner, body="Text", examples=[example(1, preferred="tie"), example(2)]
    )
    quiz = qualification(cast.labeller, cast.project).quiz
    answers = [Answer(question.example.pk, "tie") for question in quiz]
    result = take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=1, answers=answers)
    assert {marked.preferred: marked.is_right for marked in result.answers} == {
        "tie": True,
        next(question.verdict for question in quiz if question.verdict != "tie"): False,
    }


def test_a_reload_draws_the_same_and_the_next_attempt_another(cast: Cast) -> None:
    version = publish(cast, 12)

    def shown() -> list[tuple[int, str]]:
        return [(one.example.pk, one.first) for one in qualification(cast.labeller, cast.project).quiz]

    first = shown()
    assert shown() == first
    take(cast, cast.labeller, n_wrong=12)
    second = shown()
    assert second != first
    assert sorted(pk for pk, _ in second) == sorted(version.examples.values_list("pk", flat=True))
    assert {one.first for one in qualification(cast.second_labeller, cast.project).quiz} != {text for _, text in first}


def test_sides_and_places_are_drawn_evenly() -> None:
    """4,000 draws of each: a share beyond 0.47 to 0.53 comes once in ten thousand such tests."""
    examples = [WorkedExample(pk=number, completion_a="a", completion_b="b") for number in (1, 2, 3)]
    draws = [draw(labeller_id=labeller, version_id=1, attempt=1, examples=examples) for labeller in range(4000)]
    first = Counter(one[0].example.pk for one in draws)
    assert all(0.30 < first[number] / 4000 < 0.37 for number in (1, 2, 3))
    for place in range(3):
        assert 0.47 < sum(one[place].is_swapped for one in draws) / 4000 < 0.53


def test_the_same_answers_again_are_the_same_attempt(cast: Cast) -> None:
    publish(cast, 5)
    quiz = qualification(cast.labeller, cast.project).quiz
    sent = {"seat": cast.seat(cast.labeller), "version": 1, "attempt": 1, "answers": [wrong(one) for one in quiz]}
    assert take_quiz(**sent) == take_quiz(**sent)
    assert QualificationAttempt.objects.count() == 1


def test_other_answers_to_an_answered_attempt_are_refused(cast: Cast) -> None:
    publish(cast, 5)
    quiz = qualification(cast.labeller, cast.project).quiz
    take(cast, cast.labeller, n_wrong=5)
    with pytest.raises(DomainError) as refused:
        take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=1, answers=[right(one) for one in quiz])
    assert refused.value.code == "attempt_answered"
    assert QualificationAttempt.objects.count() == 1


def test_reading_is_enough_without_a_quiz_and_counts_once(cast: Cast) -> None:
    publish(cast, 0, n_shown=2)
    seat = cast.seat(cast.labeller)
    for _ in range(2):
        result = take_quiz(seat=seat, version=1, attempt=1, answers=[])
        assert (result.passed, result.n_questions, result.answers) == (True, 0, [])
    assert QualificationAttempt.objects.count() == 1
    with pytest.raises(DomainError) as refused:
        take_quiz(seat=seat, version=1, attempt=2, answers=[])
    assert refused.value.code == "already_qualified"


def test_there_are_no_more_attempts_than_the_limit(cast: Cast) -> None:
    publish(cast, 5)
    quiz = qualification(cast.labeller, cast.project).quiz
    for _ in range(MAX_FAILURES):
        take(cast, cast.labeller, n_wrong=5)
    with pytest.raises(DomainError) as refused:
        take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=4, answers=[right(one) for one in quiz])
    assert refused.value.code == "no_attempts_left"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"version": 2}, "guidelines_changed", "version"),
        ({"attempt": 2}, "attempt_unknown", "attempt"),
        ({"leave_out": 1}, "answers_missing", "answers"),
        ({"add": [Answer(10**9, "first", 1)]}, "answer_unknown", "answers.3.example"),
        ({"repeat": True}, "answer_repeated", "answers.3.example"),
        ({"first": ("tie", 2)}, "tie_with_intensity", "answers.0.intensity"),
        ({"first": ("first", None)}, "intensity_out_of_range", "answers.0.intensity"),
        ({"first": ("first", 5)}, "intensity_out_of_range", "answers.0.intensity"),
    ],
)
def test_it_names_what_is_wrong_and_stores_nothing(cast: Cast, change: dict, code: str, field: str) -> None:
    publish(cast, 3)
    answers = [right(question) for question in qualification(cast.labeller, cast.project).quiz]
    if "first" in change:
        answers[0] = Answer(answers[0].example, *change["first"])
    answers = answers[change.get("leave_out", 0) :] + change.get("add", [])
    answers += answers[:1] * change.get("repeat", False)
    with pytest.raises(DomainError) as refused:
        take_quiz(
            seat=cast.seat(cast.labeller),
            version=change.get("version", 1),
            attempt=change.get("attempt", 1),
            answers=answers,
        )
    assert refused.value.code == code
    assert [error["field"] for error in refused.value.extra["errors"]] == [field]
    assert not QualificationAttempt.objects.exists()


def test_a_tie_is_no_answer_where_the_project_takes_none(cast: Cast) -> None:
    publish(cast, 1)
    cast.project = update_project(project=cast.project, actor=None, ties_allowed=False)
    (question,) = qualification(cast.labeller, cast.project).quiz
    with pytest.raises(DomainError) as refused:
        take_quiz(seat=cast.seat(cast.labeller), version=1, attempt=1, answers=[Answer(question.example.pk, "tie")])
    assert refused.value.code == "ties_not_allowed"


@pytest.mark.django_db(transaction=True)
def test_tabs_that_answer_at_once_make_no_more_attempts_than_allowed(cast: Cast) -> None:
    """Eight tabs, each failing whatever quiz is next, over and over, until they are refused."""
    publish(cast, 4)
    seat, codes, start = cast.seat(cast.labeller), [], threading.Barrier(8)

    def tab() -> None:
        try:
            start.wait()
            while True:
                found = qualification(cast.labeller, cast.project)
                if found.standing == Standing.FAILED:
                    return
                answers = [wrong(one) for one in found.quiz]
                take_quiz(seat=seat, version=1, attempt=found.attempt, answers=answers)
        except DomainError as error:
            codes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=tab) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert QualificationAttempt.objects.filter(passed=False).count() == MAX_FAILURES
    assert set(codes) <= {"no_attempts_left"}
    assert standing(cast.labeller, cast.project) == Standing.FAILED


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_attempt(cast: Cast) -> None:
    publish(cast, 4)
    quiz = qualification(cast.labeller, cast.project).quiz
    seat, results, start = cast.seat(cast.labeller), [], threading.Barrier(6)

    def click() -> None:
        try:
            start.wait()
            results.append(take_quiz(seat=seat, version=1, attempt=1, answers=[wrong(one) for one in quiz]))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(result == results[0] for result in results)
    assert QualificationAttempt.objects.count() == 1


class TestConstraints:
    def test_more_right_than_asked(self, cast: Cast) -> None:
        made = QualificationAttempt(
            labeller=cast.labeller, version=publish(cast, 1), n_questions=1, n_right=2, passed=True
        )
        with pytest.raises(ValidationError, match="qualification_attempts_right_of_asked"):
            made.full_clean()
        with pytest.raises(IntegrityError, match="qualification_attempts_right_of_asked"), transaction.atomic():
            made.save()

    def test_passed_twice(self, cast: Cast) -> None:
        version = publish(cast, 1)
        QualificationAttempt.objects.create(labeller=cast.labeller, version=version, passed=True)
        again = QualificationAttempt(labeller=cast.labeller, version=version, passed=True)
        with pytest.raises(ValidationError):
            again.full_clean()
        with pytest.raises(IntegrityError, match="qualification_attempts_passed_once"), transaction.atomic():
            again.save()
