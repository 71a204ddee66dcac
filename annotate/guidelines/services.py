"""Publishing guidelines, and taking the quiz on them. The next version's draft is in `guidelines.drafts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.guidelines.models import GuidelineDraft, GuidelineVersion, QualificationAttempt, WorkedExample
from annotate.guidelines.quiz import Question, Shown, draw, n_needed
from annotate.guidelines.selectors import (
    CHANGES_MEANING,
    MAX_FAILURES,
    Qualification,
    Standing,
    current_version,
    qualification,
)
from annotate.projects import audit
from annotate.projects.access import Seat
from annotate.projects.models import Membership, Project
from annotate.projects.services import send_message


@transaction.atomic
def publish_guidelines(
    *,
    project: Project,
    author: User,
    body: str,
    change_note: str = "",
    changes_meaning: bool = False,
    examples: list[dict[str, Any]],
    based_on: int | None = None,
    draft_revision: int | None = None,
) -> GuidelineVersion:
    """Publish the next version; the first always changes meaning. The shared draft is used up by it.

    Locks the project's row: two authors, two numbers. Not against its key, since ratings refer to the project while
    they hold comparisons, and worked examples refer to comparisons.

    `based_on` is the number of the version that was rewritten, 0 for none: what somebody else has published meanwhile
    is not written over unseen. `draft_revision` is the revision of the draft that is published, 0 for none: what was
    added to it meanwhile is not lost unseen. None does not ask.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    check_examples(project, examples)
    latest = project.guideline_versions.aggregate(latest=Max("number"))["latest"] or 0
    if based_on is not None and based_on != latest:
        raise _refusal(
            "guidelines_changed",
            f"Version {latest} was published meanwhile. Read it, and carry over what should stay.",
            "based_on",
            status=409,
            current=latest,
        )
    draft = GuidelineDraft.objects.filter(project=project).first()
    require_revision(draft, draft_revision)
    version = GuidelineVersion(
        project=project,
        number=latest + 1,
        body=body,
        change_note=change_note,
        changes_meaning=changes_meaning or latest == 0,
        author=author,
    )
    version.full_clean()
    version.save()
    for position, fields in enumerate(_of_this_project(project, examples)):
        example = WorkedExample(version=version, position=position, **fields)
        example.full_clean(exclude=["comparison"])
        example.save()
    if draft is not None:
        draft.delete()
    audit.record(
        project=project,
        actor=author,
        action="guidelines.published",
        summary=f"Guidelines, version {version.number}" + (f": {change_note}" if change_note else ""),
        target=version,
        number=version.number,
        changes_meaning=version.changes_meaning,
        n_examples=len(examples),
        draft_revision=draft.revision if draft else None,
    )
    return version


def _of_this_project(project: Project, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The examples without the `comparison_id` of what is no comparison of the project (any more)."""
    comparisons = apps.get_model("comparisons", "Comparison")  # they come later in the import order
    named = {pk for example in examples if (pk := example.get("comparison_id")) is not None}
    known = set(comparisons.objects.filter(project=project, pk__in=named).values_list("pk", flat=True))
    return [{**one, "comparison_id": pk if (pk := one.get("comparison_id")) in known else None} for one in examples]


def require_revision(draft: GuidelineDraft | None, seen: int | None) -> None:
    """Refuse who has not seen the newest revision of the draft; 0 is for who has seen none. None does not ask."""
    revision = draft.revision if draft else 0
    if seen is not None and seen != revision:
        told = (
            "Somebody else has changed the draft meanwhile. Carry over what should stay, and save again."
            if draft
            else "The draft is gone: it was published or discarded meanwhile."
        )
        raise DomainError("draft_changed", told, revision=revision)


def check_examples(project: Project, examples: list[dict[str, Any]]) -> None:
    """Refuse what no labeller of this project could answer."""
    errors = []
    for position, example in enumerate(examples):
        if (example.get("intensity") or 0) > project.n_intensities:
            message = f"Intensity runs from 1 to {project.n_intensities} in this project."
            errors.append({"field": f"examples.{position}.intensity", "message": message})
        if example.get("in_quiz") and example["preferred"] == "tie" and not project.ties_allowed:
            message = "The quiz cannot ask for a tie: this project takes none."
            errors.append({"field": f"examples.{position}.in_quiz", "message": message})
    if errors:
        raise DomainError("examples_unanswerable", errors[0]["message"], status=400, errors=errors)


@dataclass(frozen=True)
class Answer:
    """What a labeller answers to one question, in screen order."""

    example: int
    preferred: Shown
    intensity: int | None = None


@dataclass(frozen=True)
class Marked:
    """A question after the attempt: what the guidelines say, in screen order, and why."""

    example: int
    is_right: bool
    preferred: Shown
    intensity: int | None
    rationale: str


@dataclass(frozen=True)
class Result:
    """What became of an attempt."""

    passed: bool
    n_right: int
    n_questions: int
    n_attempts_left: int
    answers: list[Marked]


@transaction.atomic
def take_quiz(*, seat: Seat, version: int, attempt: int, answers: Sequence[Answer]) -> Result:
    """Grade an attempt at the current version and store it; without a quiz, having read it passes.

    Locks the labeller's row, so that attempts in two tabs come one after the other. `attempt` names the quiz that was
    answered: sending the same answers to it again returns the same result and is not another attempt.
    """
    User.objects.select_for_update(no_key=True).only("id").get(pk=seat.user.pk)
    found = qualification(seat.user, seat.project)
    current = found.version
    if current is None:
        raise DomainError("no_guidelines", "There are no guidelines in this project yet.", status=404)
    if version != current.number:
        raise _refusal(
            "guidelines_changed",
            f"These answers are to version {version}; the guidelines are at version {current.number} now. Read that "
            "one first.",
            "version",
            status=409,
            current=current.number,
        )
    if attempt < found.attempt:
        return _sent_before(seat, found, attempt, answers)
    if attempt > found.attempt:
        raise _refusal("attempt_unknown", f"Your next attempt is number {found.attempt}.", "attempt")
    if found.standing == Standing.OK:
        raise DomainError("already_qualified", "You have passed already; there is nothing to answer.")
    if found.standing == Standing.FAILED:
        raise DomainError(
            "no_attempts_left",
            f"You have used up your {MAX_FAILURES} attempts; a reviewer can allow you another one.",
        )
    by_example = _by_example(seat.project, found.quiz, answers)
    graded = [_graded(question, by_example[question.example.pk]) for question in found.quiz]
    n_right = sum(one["is_right"] for one in graded)
    made = QualificationAttempt(
        labeller=seat.user,
        version=current,
        answers=graded,
        n_questions=len(graded),
        n_right=n_right,
        passed=n_right >= n_needed(n_questions=len(graded), pass_share=seat.project.quiz_pass_share),
    )
    made.full_clean()
    made.save()
    return _result(made, found.quiz, found.n_attempts_left - (not made.passed))


def _graded(question: Question, answer: Answer) -> dict[str, Any]:
    """As it is stored: in the example's own order, never in screen order. Intensity is fed back, not graded."""
    preferred = question.stored(answer.preferred)
    return {
        "example": question.example.pk,
        "preferred": preferred,
        "intensity": answer.intensity,
        "is_right": preferred == question.example.preferred,
    }


def _result(made: QualificationAttempt, quiz: list[Question], n_attempts_left: int) -> Result:
    marked = [
        Marked(
            example=question.example.pk,
            is_right=graded["is_right"],
            preferred=question.verdict,
            intensity=question.example.intensity,
            rationale=question.example.rationale,
        )
        for question, graded in zip(quiz, made.answers, strict=True)
    ]
    return Result(made.passed, made.n_right, made.n_questions, n_attempts_left, marked)


def _sent_before(seat: Seat, found: Qualification, attempt: int, answers: Sequence[Answer]) -> Result:
    """The result of an earlier attempt, if these are its answers: a double click, or an answer that got lost."""
    assert found.version is not None
    made = found.version.attempts.filter(labeller=seat.user).order_by("pk")[attempt - 1]
    # Its own questions, whatever the project's settings make of the version's examples by now.
    examples = found.version.examples.filter(pk__in=[one["example"] for one in made.answers])
    quiz = draw(labeller_id=seat.user.pk, version_id=found.version.pk, attempt=attempt, examples=examples)
    by_example = {answer.example: answer for answer in answers}
    is_same = set(by_example) == {question.example.pk for question in quiz} and made.answers == [
        _graded(question, by_example[question.example.pk]) for question in quiz
    ]
    if not is_same:
        raise _refusal(
            "attempt_answered",
            f"You have answered attempt {attempt} already, perhaps in another tab. Load the quiz again to go on.",
            "attempt",
            status=409,
        )
    return _result(made, quiz, found.n_attempts_left)


def _by_example(project: Project, quiz: list[Question], answers: Sequence[Answer]) -> dict[int, Answer]:
    """The answers by their example, or a refusal that names the first that is wrong."""
    asked = {question.example.pk for question in quiz}
    found: dict[int, Answer] = {}
    for position, answer in enumerate(answers):
        place = f"answers.{position}"
        if answer.example not in asked:
            raise _refusal("answer_unknown", "This example is not asked in your quiz.", f"{place}.example")
        if answer.example in found:
            raise _refusal("answer_repeated", "This example is answered twice.", f"{place}.example")
        if answer.preferred == "tie":
            if not project.ties_allowed:
                message = "This project asks for a decision: a tie is not an answer here."
                raise _refusal("ties_not_allowed", message, f"{place}.preferred")
            if answer.intensity is not None:
                raise _refusal("tie_with_intensity", "A tie has no intensity.", f"{place}.intensity")
        elif answer.intensity is None or not 1 <= answer.intensity <= project.n_intensities:
            message = f"Intensity runs from 1 to {project.n_intensities} in this project."
            raise _refusal("intensity_out_of_range", message, f"{place}.intensity")
        found[answer.example] = answer
    if missing := [question.example.pk for question in quiz if question.example.pk not in found]:
        message = f"Answer all {len(quiz)} questions: {len(missing)} of them are without an answer."
        raise _refusal("answers_missing", message, "answers", missing=missing)
    return found


def _refusal(code: str, message: str, at: str, *, status: int = 400, **extra: Any) -> DomainError:
    """A refusal that names the part of the request it is about."""
    return DomainError(code, message, status=status, errors=[{"field": at, "message": message}], **extra)


@transaction.atomic
def allow_more_attempts(*, project: Project, labeller_id: int, actor: User) -> int:
    """Set aside the labeller's failures at the current version, and return how many there were.

    Locks the labeller's row: an attempt that is being graded is either set aside too, or comes after.
    """
    labeller = _locked_labeller(project, labeller_id)
    version = current_version(project)
    if version is None:
        return 0
    failures = version.attempts.filter(labeller=labeller, passed=False, forgiven=False)
    if n_forgiven := failures.update(forgiven=True):
        audit.record(
            project=project,
            actor=actor,
            action="qualification.allowed",
            summary=f"{labeller.pseudonym} may try the quiz of version {version.number} again",
            target=version,
            subject=labeller,
            n_forgiven=n_forgiven,
        )
    return n_forgiven


@transaction.atomic
def requalify(*, project: Project, labeller_id: int, reason: str, reviewer: User) -> int:
    """Take back the labeller's passes that count now, so that they get work again once they have qualified anew.

    What they hold still counts if they send it. The reason reaches them as a message. Returns how many passes were
    taken back. Locks the labeller's row, as taking a quiz does.
    """
    labeller = _locked_labeller(project, labeller_id)
    changing = project.guideline_versions.filter(CHANGES_MEANING).order_by("-number").values_list("number", flat=True)
    newest_change = changing.first()
    if newest_change is None:
        raise DomainError("no_guidelines", "There are no guidelines in this project yet, so nothing to qualify in.")
    passes = QualificationAttempt.objects.filter(
        labeller=labeller, version__project=project, version__number__gte=newest_change, passed=True
    )
    n_revoked = passes.update(passed=False, forgiven=True, revoked_at=timezone.now())
    if not n_revoked:
        raise DomainError(
            "not_qualified", f"{labeller.pseudonym} has not passed the guidelines that hold now; nothing to take back."
        )
    audit.record(
        project=project,
        actor=reviewer,
        action="member.requalified",
        summary=f"{labeller.pseudonym} has to qualify again: {reason}",
        target="qualification",
        subject=labeller,
        reason=reason,
        n_revoked=n_revoked,
    )
    if Membership.objects.filter(project=project, user=labeller, is_active=True).exists():
        text = f"Please read the guidelines and qualify again before you go on.\n\n{reason}"
        send_message(project=project, sender=reviewer, recipient_id=labeller.pk, text=text)
    return n_revoked


def _locked_labeller(project: Project, labeller_id: int) -> User:
    if not Membership.objects.filter(project=project, user_id=labeller_id).exists():
        raise not_found("labeller")
    return User.objects.select_for_update(no_key=True).get(pk=labeller_id)
