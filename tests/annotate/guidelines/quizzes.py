"""Versions with quizzes, and labellers who answer them rightly or wrongly."""

from typing import Any

from annotate.accounts.models import User
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.quiz import Question
from annotate.guidelines.selectors import qualification
from annotate.guidelines.services import Answer, Result, publish_guidelines, take_quiz
from tests.cast import Cast


def example(number: int, *, preferred: str = "a", in_quiz: bool = True) -> dict[str, Any]:
    return {
        "prompt": f"Prompt {number}",
        "completion_a": f"alpha {number}",
        "completion_b": f"beta {number}",
        "preferred": preferred,
        "intensity": None if preferred == "tie" else 3,
        "rationale": f"Because of {number}.",
        "in_quiz": in_quiz,
    }


def publish(cast: Cast, n_asked: int = 0, *, changes_meaning: bool = False, n_shown: int = 0) -> GuidelineVersion:
    """A version with `n_asked` quiz examples (every other one prefers b) and `n_shown` that are not asked."""
    number = cast.project.guideline_versions.count() + 1
    asked = [example(100 * number + one, preferred="ab"[one % 2]) for one in range(n_asked)]
    shown = [example(100 * number + 50 + one, in_quiz=False) for one in range(n_shown)]
    return publish_guidelines(
        project=cast.project,
        author=cast.owner,
        body=f"Text {number}",
        changes_meaning=changes_meaning,
        examples=asked + shown,
    )


def right(question: Question) -> Answer:
    return Answer(question.example.pk, question.verdict, None if question.verdict == "tie" else 2)


def wrong(question: Question) -> Answer:
    return Answer(question.example.pk, "second" if question.verdict == "first" else "first", 1)


def take(cast: Cast, user: User, *, n_wrong: int = 0) -> Result:
    """Answer the labeller's quiz, the first `n_wrong` questions wrongly; without a quiz, say that it is read."""
    found = qualification(user, cast.project)
    assert found.version is not None
    answers = [wrong(one) if place < n_wrong else right(one) for place, one in enumerate(found.quiz)]
    return take_quiz(seat=cast.seat(user), version=found.version.number, attempt=found.attempt, answers=answers)
