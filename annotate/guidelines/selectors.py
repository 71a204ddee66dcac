"""Reads of guidelines, and of who has read them and passed their quiz."""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from django.db.models import (
    Count,
    Exists,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
)
from django.db.models.functions import Coalesce

from annotate.accounts.models import User
from annotate.common.compiled import Compiled
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt, WorkedExample
from annotate.guidelines.quiz import Question, draw, questions_of
from annotate.projects.access import Seat
from annotate.projects.models import Capability, Project

# So often a labeller may fail the quiz of one version; a reviewer can set failures aside.
MAX_FAILURES = 3

# The first version changes what ratings mean, whatever its row says: before it there was nothing to go by.
CHANGES_MEANING = Q(changes_meaning=True) | Q(number=1)


class Standing(TextChoices):
    """Whether a labeller may work under the project's guidelines."""

    OK = "ok", "May work"
    MUST_READ = "must_read", "Has to read the guidelines"
    MUST_PASS = "must_pass", "Has to pass the quiz"
    FAILED = "failed", "Has failed the quiz too often"


def current_version(project: Project) -> GuidelineVersion | None:
    """The version that labellers rate under; None before the first is published."""
    return project.guideline_versions.order_by("-number").first()


def version_rated_under(user: User, project: Project) -> GuidelineVersion | None:
    """The version that a rating of the labeller is made under: the newest, unless they have still to pass a change.

    Pairs that were on their screen when meaning changed are rated by what the labeller knew. One query.
    """
    passed = QualificationAttempt.objects.filter(labeller=user, version__project=project, passed=True)
    newest_passed = passed.order_by("-version__number").values("version__number")[:1]
    changes = GuidelineVersion.objects.filter(
        CHANGES_MEANING, project=project, number__lte=OuterRef("number"), number__gt=_number(newest_passed)
    )
    return project.guideline_versions.exclude(Exists(changes)).defer("body").order_by("-number").first()


def versions(seat: Seat) -> QuerySet[GuidelineVersion]:
    """The project's versions with the worked examples that this caller may see."""
    examples = Prefetch("examples", queryset=shown_examples(seat))
    return seat.project.guideline_versions.select_related("author").prefetch_related(examples)


def shown_examples(seat: Seat) -> QuerySet[WorkedExample]:
    """Worked examples that give no quiz away. Two queries at most, none for who writes the guidelines.

    Until the caller has passed, the quiz examples of the versions that they would have to pass are left out, and so is
    an example of any version that the current quiz asks: an older version would tell the answer.
    """
    examples = WorkedExample.objects.all()
    if Capability.GUIDELINES in seat.capabilities or seat.project.quiz_pass_share == 0:
        return examples
    passed = QualificationAttempt.objects.filter(labeller=seat.user, version__project=seat.project, passed=True)
    newest_passed = passed.aggregate(number=Max("version__number"))["number"] or 0
    unpassed = seat.project.guideline_versions.filter(CHANGES_MEANING, number__gt=newest_passed)
    first_unpassed = unpassed.aggregate(number=Min("number"))["number"]
    if first_unpassed is None:
        return examples
    current = seat.project.guideline_versions.order_by("-number").values("pk")[:1]
    asked = WorkedExample.objects.filter(
        Q(completion_a=OuterRef("completion_a"), completion_b=OuterRef("completion_b"))
        | Q(completion_a=OuterRef("completion_b"), completion_b=OuterRef("completion_a")),
        version=Subquery(current),
        in_quiz=True,
        prompt=OuterRef("prompt"),
    )
    return examples.exclude(Q(in_quiz=True, version__number__gte=first_unpassed) | Exists(asked))


@dataclass(frozen=True)
class Qualification:
    """Where a labeller stands, and the quiz that they are to answer next."""

    standing: Standing
    # The current version; None where there are no guidelines.
    version: GuidelineVersion | None = None
    # Number of the newest version that they have passed; None where they have passed none.
    passed_version: int | None = None
    # The attempt at the current version that comes next, counted from 1.
    attempt: int = 1
    n_attempts_left: int = MAX_FAILURES
    # Empty unless there is a quiz to pass.
    quiz: list[Question] = field(default_factory=list)


def standing(user: User, project: Project) -> Standing:
    """Whether the labeller may work. One query, whatever the number of versions and attempts.

    What counts is a passed attempt at the newest version that changes meaning, or at a newer one.
    """
    return footing(user, project).standing


def qualification(user: User, project: Project) -> Qualification:
    """Their standing with the questions of their next attempt. Two queries at most."""
    found = footing(user, project)
    if found.version is None or found.standing != Standing.MUST_PASS:
        return found
    examples = questions_of(found.version, project)
    return replace(
        found,
        quiz=draw(labeller_id=user.pk, version_id=found.version.pk, attempt=found.attempt, examples=examples),
    )


def footing(user: User, project: Project) -> Qualification:
    """Their standing and the current version, without the quiz. One query."""
    current = _current(asks_quiz=project.quiz_pass_share > 0, ties_allowed=project.ties_allowed).first(
        user.pk, project.pk
    )
    if current is None:
        return Qualification(Standing.OK)
    n_left = max(0, MAX_FAILURES - current.n_failed)
    if current.newest_passed >= current.newest_change:
        found = Standing.OK
    elif not current.has_quiz:
        found = Standing.MUST_READ
    else:
        found = Standing.MUST_PASS if n_left else Standing.FAILED
    return Qualification(found, current, current.newest_passed or None, current.n_made + 1, n_left)


@cache
def _current(*, asks_quiz: bool, ties_allowed: bool) -> Compiled[Any]:
    """The current version with what is known of a labeller's attempts, by user and project."""
    project = Project(quiz_pass_share=float(asks_quiz), ties_allowed=ties_allowed)
    return Compiled(lambda user, project_id: _with_attempts(user, project_id, project), int, int)


def _with_attempts(user: int, project_id: int, rules: Project) -> QuerySet[GuidelineVersion]:
    mine = QualificationAttempt.objects.filter(labeller=user, version__project=project_id)
    passed = mine.filter(passed=True).order_by("-version__number").values("version__number")[:1]
    changing = GuidelineVersion.objects.filter(CHANGES_MEANING, project=project_id).order_by("-number").values("number")
    here = mine.filter(version=OuterRef("pk")).order_by().values("version")
    failed = Q(passed=False, forgiven=False)
    return (
        GuidelineVersion.objects.filter(project=project_id)
        # Asked with every batch of pairs, and a text may be long.
        .defer("body")
        .order_by("-number")
        .annotate(
            newest_passed=_number(passed),
            newest_change=_number(changing[:1]),
            n_made=_number(here.annotate(n=Count("pk")).values("n")),
            n_failed=_number(here.annotate(n=Count("pk", filter=failed)).values("n")),
            has_quiz=Exists(questions_of(OuterRef("pk"), rules)),
        )[:1]
    )


def _number(query: QuerySet) -> Coalesce:
    return Coalesce(Subquery(query), 0, output_field=IntegerField())


def attempts(project: Project) -> QuerySet[QualificationAttempt]:
    """All attempts in the project, for reviewers. `is_blocking`: its labeller has used up the current version's."""
    current = GuidelineVersion.objects.filter(project=project).order_by("-number").values("pk")[:1]
    here = QualificationAttempt.objects.filter(labeller=OuterRef("labeller"), version=OuterRef("version"))
    n_failed = Count("pk", filter=Q(passed=False, forgiven=False))
    is_failure = Q(passed=False, forgiven=False, version=Subquery(current), n_failed__gte=MAX_FAILURES)
    return (
        QualificationAttempt.objects.filter(version__project=project)
        .select_related("labeller", "version")
        .annotate(
            n_failed=_number(here.order_by().values("version").annotate(n=n_failed).values("n")),
            has_passed=Exists(here.filter(passed=True)),
        )
        .annotate(is_blocking=is_failure & Q(has_passed=False))
    )
