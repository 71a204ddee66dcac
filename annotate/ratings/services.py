"""Submitting ratings, flags and adjudications. Every one of them holds the comparison's lock while it counts."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.compiled import prepared
from annotate.common.errors import DomainError, not_found
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.rules import anonymous_votes, ratings_wanted
from annotate.comparisons.services import lease, lease_to, lock_for_labeller, lock_member, skip
from annotate.guidelines.drafts import add_to_draft
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.selectors import Qualification, Standing, current_version, footing, version_rated_under
from annotate.projects import audit
from annotate.projects.access import Seat
from annotate.projects.models import Membership, Project
from annotate.projects.services import pause_member
from annotate.ratings.models import Adjudication, Flag, FlagKind, Preferred, Rating, RatingOrigin
from annotate.ratings.selectors import gold_answers, midnight
from annotate.ratings.signals import ratings_changed

# The verdict of an adjudication that sends the comparison back to labelling.
REOPENED = "reopened"
# What the database allows a comparison to want.
MOST_RATINGS = 50
_AS_REVIEWER = "answered_as_reviewer"


@dataclass(frozen=True)
class Judgement:
    """A rating as the labeller made it, in screen order. `spans`: [{side: first|second, start, end, quote}].

    `supersedes` is the client_id of the labeller's own rating of this assignment that it corrects.
    """

    client_id: uuid.UUID
    assignment_id: int
    preferred: Literal["first", "second", "tie"]
    intensity: int | None
    is_neither_acceptable: bool = False
    bucket: int | None = None
    active_ms: int | None = None
    justification: str = ""
    spans: Sequence[dict[str, Any]] = ()
    supersedes: uuid.UUID | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one judgement of a batch."""

    client_id: uuid.UUID
    status: Literal["accepted", "duplicate", "rejected"]
    rating_id: int | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Stored:
    """A rating that is there now."""

    rating_id: int
    is_gold: bool
    # So many the labeller has rated today, this one counted.
    n_today: int


def submit(*, seat: Seat, judgements: list[Judgement]) -> list[Outcome]:
    """Store each judgement in a transaction of its own: one that is refused does not lose the others."""
    version = _version(seat, footing(seat.user, seat.project))
    return [_submit_one(seat, judgement, version) for judgement in judgements]


def submit_and_lease(
    *, seat: Seat, judgements: list[Judgement], n: int, found: Qualification
) -> tuple[list[Outcome], list[Assignment], int | None]:
    """`submit`, then `lease`, for a labeller whose standing the caller knows.

    One judgement, which is what the screen sends after every pair, is stored together with the new leases: one
    transaction to write to the disk instead of two. If it is refused it is tried again by itself, to say why.

    The third answer is how many comparisons they have rated today, where it was found on the way.
    """
    if n and len(judgements) == 1:
        try:
            with transaction.atomic():
                membership = lock_member(seat)
                stored = _store(seat, judgements[0], _version(seat, found))
                if stored.is_gold:  # it may have paused them
                    membership = lock_member(seat)
                leases = lease_to(membership, seat=seat, n=n, found=found.standing)
            return [Outcome(judgements[0].client_id, "accepted", stored.rating_id)], leases, stored.n_today
        except (DomainError, IntegrityError):
            pass
    outcomes = submit(seat=seat, judgements=judgements)
    return outcomes, lease(seat=seat, n=n) if n else [], None


def _version(seat: Seat, found: Qualification) -> GuidelineVersion | None:
    return found.version if found.standing == Standing.OK else version_rated_under(seat.user, seat.project)


def _submit_one(seat: Seat, judgement: Judgement, version: GuidelineVersion | None) -> Outcome:
    """Whether it is here already is asked only where it cannot be stored: a second one of that client_id never can."""
    try:
        with transaction.atomic():
            lock_member(seat)  # first, as everywhere: a missed gold answer may pause them
            rating_id = _store(seat, judgement, version).rating_id
    except DomainError as error:
        refused = Outcome(judgement.client_id, "rejected", None, error.code, error.message)
        return _sent_before(seat, judgement) or refused
    except IntegrityError:
        # The client_id is known, or another request of this client was storing the same at this moment.
        if outcome := _sent_before(seat, judgement):
            return outcome
        raise
    return Outcome(judgement.client_id, "accepted", rating_id)


def _sent_before(seat: Seat, judgement: Judgement) -> Outcome | None:
    """What was said of its client_id: a duplicate of the caller's own, refused where the id is somebody else's."""
    known = Rating.objects.filter(client_id=judgement.client_id).values_list("id", "labeller_id").first()
    if known is None:
        return None
    if known[1] == seat.user.pk:
        return Outcome(judgement.client_id, "duplicate", known[0])
    detail = "This client_id is another rating's; make a new random UUID."
    return Outcome(judgement.client_id, "rejected", None, "client_id_taken", detail)


def _store(seat: Seat, judgement: Judgement, version: GuidelineVersion | None) -> Stored:
    """Locks the comparison. Two queries of its own as a rule."""
    _validate(seat.project, judgement)
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=judgement.assignment_id)
    is_repeat = assignment.kind == AssignmentKind.REPEAT
    corrected = None
    if assignment.state == AssignmentState.SUBMITTED:
        corrected = _corrected(seat.project, comparison, assignment, judgement)
    elif assignment.state == AssignmentState.SKIPPED:
        raise DomainError("skipped", "You have skipped this comparison.")
    else:
        if assignment.state == AssignmentState.EXPIRED and not is_repeat:
            # The lease ran out while the labeller was offline. The work is done, so it counts: it takes a place again,
            # an additional one if others have filled the comparison meanwhile.
            places = comparison.assignments.exclude(place=None).order_by("-place").values_list("place", flat=True)
            assignment.place = (places.first() or 0) + 1
            comparison.n_taken += 1
    preferred = stored_side(judgement.preferred, assignment)
    if not is_repeat:
        if corrected is not None:
            count(comparison, corrected.preferred, -1)
        count(comparison, preferred, +1)
        settle(comparison, seat.project, votes=_votes(seat, comparison, preferred, corrected))
    with prepared() as cursor:
        cursor.execute(
            _STORE,
            {
                **{name: getattr(comparison, name) for name in _SETTLED},
                "comparison": comparison.pk,
                "assignment": assignment.pk,
                "place": assignment.place,
                "labeller": seat.user.pk,
                "project": seat.project.pk,
                "preferred": preferred,
                "intensity": judgement.intensity,
                "is_neither_acceptable": judgement.is_neither_acceptable,
                "bucket": judgement.bucket,
                "justification": judgement.justification,
                "spans": json.dumps(_stored_spans(judgement, comparison, assignment)),
                "active_ms": judgement.active_ms,
                "guideline_version": version.pk if version else None,
                "client_id": judgement.client_id,
                "supersedes": corrected.pk if corrected else None,
                "is_repeat": is_repeat,
                "origin": RatingOrigin.LABELLER.value,
                "now": timezone.now(),
                "midnight": midnight(),
            },
        )
        rating_id, n_today = cursor.fetchone()
    if assignment.kind == AssignmentKind.GOLD:
        _hold_to_gold(seat)
    ratings_changed.send(sender=Rating, project_id=seat.project.pk)
    return Stored(rating_id, assignment.kind == AssignmentKind.GOLD, n_today + (corrected is None))


# What `count` and `settle` change.
_SETTLED = ("n_a", "n_b", "n_ties", "n_taken", "n_wanted", "state")
# All that a rating changes, at once: the assignment is done, the comparison counts it, and it is there. A repeat counts
# for nothing.
_STORE = """
    WITH done AS (
        UPDATE comparisons_assignment SET state = 'submitted', place = %(place)s WHERE id = %(assignment)s),
    counted AS (
        UPDATE comparisons_comparison SET n_a = %(n_a)s, n_b = %(n_b)s, n_ties = %(n_ties)s, n_taken = %(n_taken)s,
            n_wanted = %(n_wanted)s, state = %(state)s
        WHERE id = %(comparison)s AND NOT %(is_repeat)s)
    INSERT INTO ratings_rating
        (comparison_id, assignment_id, labeller_id, project_id, preferred, intensity, is_neither_acceptable, bucket,
         justification, spans, active_ms, guideline_version_id, client_id, supersedes_id, is_repeat, origin, created_at)
    VALUES
        (%(comparison)s, %(assignment)s, %(labeller)s, %(project)s, %(preferred)s, %(intensity)s,
         %(is_neither_acceptable)s, %(bucket)s, %(justification)s, %(spans)s::jsonb, %(active_ms)s,
         %(guideline_version)s, %(client_id)s, %(supersedes)s, %(is_repeat)s, %(origin)s, %(now)s)
    RETURNING id, (
        SELECT count(*) FROM ratings_rating WHERE labeller_id = %(labeller)s AND project_id = %(project)s
          AND supersedes_id IS NULL AND created_at >= %(midnight)s)"""


def _corrected(project: Project, comparison: Comparison, assignment: Assignment, judgement: Judgement) -> Rating:
    """The rating that this judgement replaces; refused where there is none to replace or it is too late."""
    if judgement.supersedes is None:
        raise DomainError("already_rated", "You have rated this comparison already, perhaps in another tab.")
    ratings = list(assignment.ratings.order_by("id"))
    first, current = ratings[0], ratings[-1]
    if current.ranking_id is not None:
        raise DomainError("part_of_ranking", "You said this by a ranking; one of its pairs cannot change by itself.")
    if current.client_id != judgement.supersedes:
        raise DomainError("superseded", "You have changed this rating since, perhaps in another tab.")
    if comparison.state == ComparisonState.ADJUDICATED:
        raise DomainError("adjudicated", "A reviewer has settled this comparison; it can no longer be changed.")
    if timezone.now() > first.created_at + timedelta(minutes=project.grace_minutes):
        raise DomainError(
            "grace_over", f"Too late: in this project a rating can be changed for {project.grace_minutes} minutes."
        )
    return current


def _validate(project: Project, judgement: Judgement) -> None:
    if judgement.is_neither_acceptable and judgement.preferred != "tie":
        raise DomainError("neither_with_preference", "“Neither is acceptable” is sent with preferred: tie.")
    if judgement.preferred == "tie":
        if not project.ties_allowed and not judgement.is_neither_acceptable:
            raise DomainError("ties_not_allowed", "This project asks for a decision: a tie is not an answer here.")
        if judgement.intensity is not None:
            raise DomainError("tie_with_intensity", "A tie has no intensity.")
    elif judgement.intensity is None or not 1 <= judgement.intensity <= project.n_intensities:
        raise DomainError(
            "intensity_out_of_range", f"Intensity runs from 1 to {project.n_intensities} in this project."
        )
    if project.bucket_labels:
        if judgement.bucket is None or judgement.bucket >= len(project.bucket_labels):
            raise DomainError(
                "bucket_missing",
                f"This project asks about {project.bucket_axis} as well: bucket is from 0 to "
                f"{len(project.bucket_labels) - 1}.",
            )
    elif judgement.bucket is not None:
        raise DomainError("bucket_not_asked", "This project asks no second question; leave bucket out.")
    if len(judgement.justification.strip()) < project.justification_min_length:
        raise DomainError(
            "justification_too_short",
            f"Say why in {project.justification_min_length} characters or more; this project asks for it.",
        )


def _stored_spans(judgement: Judgement, comparison: Comparison, assignment: Assignment) -> list[dict[str, Any]]:
    """In comparison order. Each one's quote has to stand where it says, or a reader could not find it again."""
    spans = []
    for span in judgement.spans:
        side = stored_side(span["side"], assignment)
        if getattr(comparison, side).text[span["start"] : span["end"]] != span["quote"]:
            raise DomainError(
                "span_not_there",
                f"spans: “{span['quote'][:60]}” does not stand at {span['start']}–{span['end']} of the {span['side']} "
                "completion (counted in code points).",
            )
        spans.append({**span, "side": side})
    return spans


def _votes(
    seat: Seat, comparison: Comparison, preferred: str, corrected: Rating | None
) -> list[tuple[str, float | None]] | None:
    """Answers with the reliability of their labellers, the new one (not stored yet) in place of the one it corrects;
    None where the counts, which have it already, decide by themselves."""
    n_ratings = comparison.n_a + comparison.n_b + comparison.n_ties
    minimum, maximum = wanted_range(comparison, seat.project)
    if not minimum <= n_ratings < maximum:
        return None
    with prepared() as cursor:
        cursor.execute(
            _VOTES,
            {
                "comparison": comparison.pk,
                "corrected": corrected.pk if corrected else None,
                "project": seat.project.pk,
                "labeller": seat.user.pk,
                "preferred": preferred,
            },
        )
        return cursor.fetchall()


_VOTES = """
    SELECT r.preferred, m.reliability FROM ratings_rating r
    LEFT JOIN projects_membership m ON m.project_id = r.project_id AND m.user_id = r.labeller_id
    WHERE r.comparison_id = %(comparison)s AND NOT r.is_repeat AND r.id IS DISTINCT FROM %(corrected)s
      AND NOT EXISTS (SELECT FROM ratings_rating later WHERE later.supersedes_id = r.id)
    UNION ALL
    SELECT %(preferred)s, (
        SELECT reliability FROM projects_membership WHERE project_id = %(project)s AND user_id = %(labeller)s)"""


def _hold_to_gold(seat: Seat) -> None:
    """Pause a labeller whose latest gold answers fall below the project's rule. Gold is judged by its side alone."""
    project = seat.project
    membership = Membership.objects.filter(project=project, user=seat.user).first()
    if project.gold_floor is None or membership is None or membership.paused_at is not None:
        return
    answers = gold_answers(seat)
    if membership.resumed_at is not None:
        answers = answers.filter(created_at__gt=membership.resumed_at)
    latest = list(
        answers.order_by("-created_at", "-id").values_list("preferred", "comparison__gold_preferred")[
            : project.gold_window
        ]
    )
    n_right = sum(said == known for said, known in latest)
    if len(latest) == project.gold_window and n_right < project.gold_floor * project.gold_window:
        pause_member(
            membership=membership,
            actor=None,
            reason=f"{n_right} of your latest {len(latest)} answers to pairs with a known answer agree with it; "
            f"this project asks for {project.gold_floor:.0%}.",
        )


def stored_side(shown: str, assignment: Assignment) -> str:
    """From screen order (first, second, tie) to comparison order (a, b, tie)."""
    if shown == "tie":
        return Preferred.TIE.value
    return str(assignment.first) if shown == "first" else {"a": "b", "b": "a"}[str(assignment.first)]


def shown_side(stored: str, assignment: Assignment) -> str:
    """From comparison order (a, b, tie) to screen order (first, second, tie)."""
    if stored == Preferred.TIE:
        return "tie"
    return "first" if stored == assignment.first else "second"


def count(comparison: Comparison, preferred: str, change: int) -> None:
    """Add to the comparison's count of one answer, on a row that the caller has locked and will save."""
    name = {"a": "n_a", "b": "n_b", "tie": "n_ties"}[preferred]
    setattr(comparison, name, getattr(comparison, name) + change)


def wanted_range(comparison: Comparison, project: Project) -> tuple[int, int]:
    """Fewest and most ratings that the rule may ask for: the project's, or what a reviewer sent it back for."""
    return max(project.min_ratings, comparison.n_required), max(project.max_ratings, comparison.n_required)


def settle(
    comparison: Comparison, project: Project, *, votes: Sequence[tuple[str, float | None]] | None = None
) -> None:
    """Decide whether the comparison wants more ratings, on a row that the caller has locked and will save.

    `votes` are its answers with the reliability of their labellers; without them all labellers are alike.
    """
    if comparison.state not in (ComparisonState.OPEN, ComparisonState.COMPLETE):
        return
    minimum, maximum = wanted_range(comparison, project)
    wanted = ratings_wanted(
        minimum=minimum,
        maximum=maximum,
        confidence=project.stop_confidence,
        votes=anonymous_votes(comparison.n_a, comparison.n_b, comparison.n_ties) if votes is None else votes,
        ties_allowed=project.ties_allowed,
    )
    comparison.n_wanted = wanted
    n_ratings = comparison.n_a + comparison.n_b + comparison.n_ties
    comparison.state = ComparisonState.COMPLETE if n_ratings >= wanted else ComparisonState.OPEN


def save_counts(comparisons: list[Comparison]) -> None:
    """Save what `count` and `settle` change, in one statement: bulk_update took half of the time of an import."""
    columns = ("id", "n_a", "n_b", "n_ties", "n_taken", "n_wanted", "state")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE comparisons_comparison SET n_a = new.n_a, n_b = new.n_b, n_ties = new.n_ties,
                n_taken = new.n_taken, n_wanted = new.n_wanted, state = new.state
            FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::text[])
                AS new(id, n_a, n_b, n_ties, n_taken, n_wanted, state)
            WHERE comparisons_comparison.id = new.id
            """,
            [[str(getattr(one, name)) for one in comparisons] for name in columns],
        )


@transaction.atomic
def flag(*, seat: Seat, assignment_id: int, kind: FlagKind, note: str) -> Flag:
    """Say that something is wrong with a comparison; an unrated one is skipped by it. Locks the comparison."""
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=assignment_id)
    raised, made = Flag.objects.get_or_create(
        comparison=comparison, labeller=seat.user, kind=kind, defaults={"note": note}
    )
    if made:
        comparison.n_flags += 1
        comparison.save(update_fields=["n_flags"])
    if assignment.state == AssignmentState.LEASED:
        skip(seat=seat, assignment_id=assignment_id, reason=f"flagged: {FlagKind(kind).label}")
    ratings_changed.send(sender=Flag, project_id=seat.project.pk)
    return raised


# --- what reviewers do about a comparison ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Example:
    """A settled comparison as a worked example of the guidelines."""

    rationale: str
    in_quiz: bool = False


@dataclass(frozen=True)
class Steps:
    """What is made of a verdict in the same step: a known answer, a worked example and a note for the guidelines."""

    gold: bool = False
    worked_example: Example | None = None
    guideline_note: str = ""

    @property
    def write_a_draft(self) -> bool:
        return self.worked_example is not None or bool(self.guideline_note.strip())


def adjudicate(
    *,
    project: Project,
    reviewer: User,
    comparison_id: int,
    verdict: str,
    intensity: int | None,
    note: str,
    guideline_section: str = "",
) -> Adjudication:
    """Settle a comparison, with nothing made of it (`adjudicate_with_steps`)."""
    return adjudicate_with_steps(
        project=project,
        reviewer=reviewer,
        comparison_id=comparison_id,
        verdict=verdict,
        intensity=intensity,
        note=note,
        guideline_section=guideline_section,
    )[0]


@transaction.atomic
def adjudicate_with_steps(
    *,
    project: Project,
    reviewer: User,
    comparison_id: int,
    verdict: str,
    intensity: int | None,
    note: str,
    guideline_section: str = "",
    then: Steps = Steps(),
) -> tuple[Adjudication, int | None]:
    """Settle a comparison: the verdict stands for its ratings in training, its flags are resolved, and a known answer
    that it contradicts is taken away. `then` is done with it or not at all. Returns the revision of the guidelines'
    draft as well, where the steps wrote to it.

    Locks the comparison, then the project's row where the draft is written. Neither against its key: a worked example
    that is published refers to its comparison. A reviewer who rated the comparison cannot settle it.
    """
    comparison = _locked_comparison(project, comparison_id)
    if comparison.ratings.filter(labeller=reviewer).exists():
        raise DomainError("own_rating", "You rated this comparison yourself; another reviewer has to settle it.")
    _require_intensity(project, verdict, intensity)
    if verdict == "invalid" and (then.gold or then.worked_example):
        raise DomainError(
            "not_a_preference", "What is no valid comparison is neither a known answer nor an example.", status=400
        )
    version = current_version(project)
    adjudication = Adjudication(
        comparison=comparison,
        reviewer=reviewer,
        verdict=verdict,
        intensity=intensity if verdict in ("a", "b") else None,
        note=note,
        guideline_section=guideline_section,
        guideline_version=version,
    )
    adjudication.full_clean()
    adjudication.save()
    _resolve_flags(comparison)
    _give_up_own_lease(comparison, reviewer)
    # Gold that the verdict agrees with stays in everybody's work.
    is_gold = comparison.gold_preferred == verdict
    comparison.state = ComparisonState.CLOSED if is_gold else ComparisonState.ADJUDICATED
    comparison.save(update_fields=["state", "n_flags", "n_taken"])
    audit.record(
        project=project,
        actor=reviewer,
        action="comparison.adjudicated",
        summary=f"Comparison {comparison.pk} is settled: {_in_words(verdict, adjudication.intensity)}",
        target=comparison,
        verdict=verdict,
        intensity=adjudication.intensity,
        guideline_section=guideline_section,
        guideline_version=version.number if version else None,
        gold=then.gold,
        worked_example=then.worked_example is not None,
        guideline_note=bool(then.guideline_note.strip()),
    )
    if then.gold:
        _give_known_answer(comparison, project, reviewer, verdict, intensity)
    elif comparison.gold_preferred is not None and not is_gold:
        _take_known_answer_away(comparison, project, reviewer)
    ratings_changed.send(sender=Adjudication, project_id=project.pk)
    if not then.write_a_draft:
        return adjudication, None
    draft = add_to_draft(
        project=project,
        author=reviewer,
        comparison_id=comparison.pk,
        section=guideline_section,
        example=_as_example(comparison, adjudication, then.worked_example) if then.worked_example else None,
        note=then.guideline_note,
    )
    return adjudication, draft.revision


def _as_example(comparison: Comparison, settled: Adjudication, wanted: Example) -> dict[str, Any]:
    return {
        "prompt": comparison.prompt.as_text(),
        "completion_a": comparison.a.text,
        "completion_b": comparison.b.text,
        "preferred": settled.verdict,
        "intensity": settled.intensity,
        "rationale": wanted.rationale,
        "in_quiz": wanted.in_quiz,
    }


@transaction.atomic
def reopen(*, project: Project, reviewer: User, comparison_id: int, n_more: int, reason: str) -> Comparison:
    """Send a comparison back to labelling for `n_more` ratings at least. Locks the comparison.

    No earlier verdict stands any more, and its flags are resolved: the reviewer has seen to them. The reviewers who
    have judged it, this one too, are not asked to rate it.
    """
    comparison = _locked_comparison(project, comparison_id)
    if comparison.gold_preferred is not None:
        raise DomainError("gold", "This comparison has a known answer; take that away first.")
    if project.ranking_size is not None:
        raise DomainError("part_of_ranking", "This project asks for rankings; one pair of them cannot be asked again.")
    n_ratings = comparison.n_a + comparison.n_b + comparison.n_ties
    if n_ratings + n_more > MOST_RATINGS:
        raise DomainError(
            "too_many_ratings", f"A comparison has {MOST_RATINGS} ratings at most, and this one has {n_ratings}."
        )
    comparison.n_required = n_ratings + n_more
    comparison.state = ComparisonState.OPEN
    settle(comparison, project)
    _resolve_flags(comparison)
    _give_up_own_lease(comparison, reviewer)
    sent_back = Adjudication(
        comparison=comparison,
        reviewer=reviewer,
        verdict=REOPENED,
        note=reason,
        guideline_version=current_version(project),
    )
    sent_back.full_clean()
    sent_back.save()
    _ask_no_reviewer(comparison)
    comparison.save(update_fields=["state", "n_required", "n_wanted", "n_flags", "n_taken"])
    audit.record(
        project=project,
        actor=reviewer,
        action="comparison.reopened",
        summary=f"Comparison {comparison.pk} goes back to labelling for {n_more} more: {reason}",
        target=comparison,
        n_more=n_more,
        n_required=comparison.n_required,
        reason=reason,
    )
    ratings_changed.send(sender=Adjudication, project_id=project.pk)
    return comparison


def _ask_no_reviewer(comparison: Comparison) -> None:
    """Have the queue pass over those who have judged it as reviewers: they hold a skipped assignment."""
    reviewers = set(comparison.adjudications.values_list("reviewer", flat=True))
    Assignment.objects.bulk_create(
        [
            Assignment(
                comparison=comparison, labeller_id=reviewer, state=AssignmentState.SKIPPED, skip_reason=_AS_REVIEWER
            )
            for reviewer in sorted(reviewers)
        ],
        ignore_conflicts=True,
    )
    expired = comparison.assignments.filter(labeller__in=reviewers, state=AssignmentState.EXPIRED)
    expired.update(state=AssignmentState.SKIPPED, skip_reason=_AS_REVIEWER)


@transaction.atomic
def set_gold(
    *, project: Project, reviewer: User, comparison_id: int, preferred: str | None, intensity: int | None
) -> Comparison:
    """Make a comparison gold, with its known answer, or with None an ordinary one again. Locks the comparison.

    A gold comparison leaves the ordinary queue: it is mixed into the work of every labeller but the one whose
    answer it is, and never reaches training. Without its answer it goes back to where it came from: to the queue, with
    the other pairs of a ranking, or among what is settled. Whoever gave it an answer is not asked for it then, either.
    What is settled can only have the verdict for its known answer.
    """
    comparison = _locked_comparison(project, comparison_id)
    if preferred is not None:
        verdict = _standing_verdict(comparison)
        if verdict is not None and verdict != preferred:
            raise DomainError(
                "adjudicated",
                f"A reviewer has settled this comparison: {_in_words(verdict, None)}. Its known answer cannot be "
                "another one.",
            )
        _give_known_answer(comparison, project, reviewer, preferred, intensity)
    elif comparison.gold_preferred is not None:
        _take_known_answer_away(comparison, project, reviewer)
    else:
        return comparison
    ratings_changed.send(sender=Comparison, project_id=project.pk)
    return comparison


_GOLD = ("state", "n_wanted", "n_taken", "gold_preferred", "gold_intensity", "gold_by")


def _give_known_answer(
    comparison: Comparison, project: Project, reviewer: User, preferred: str, intensity: int | None
) -> None:
    """On a row that the caller has locked; saves it."""
    _require_intensity(project, preferred, intensity)
    if preferred == "tie" and not project.ties_allowed:
        raise DomainError("ties_not_allowed", "This project asks for a decision: a tie cannot be a known answer here.")
    comparison.gold_preferred, comparison.gold_by = preferred, reviewer
    comparison.gold_intensity = intensity if preferred in ("a", "b") else None
    comparison.state = ComparisonState.CLOSED
    _give_up_own_lease(comparison, reviewer)
    comparison.save(update_fields=_GOLD)
    audit.record(
        project=project,
        actor=reviewer,
        action="comparison.gold_set",
        summary=f"Comparison {comparison.pk} has a known answer: {_in_words(preferred, comparison.gold_intensity)}",
        target=comparison,
        preferred=preferred,
        intensity=comparison.gold_intensity,
    )


def _take_known_answer_away(comparison: Comparison, project: Project, reviewer: User) -> None:
    """On a row that the caller has locked; saves it."""
    was = comparison.gold_preferred
    comparison.gold_preferred = comparison.gold_intensity = None
    comparison.state = ComparisonState.CLOSED
    if _standing_verdict(comparison) is not None:
        comparison.state = ComparisonState.ADJUDICATED
    elif project.ranking_size is None:
        comparison.state = ComparisonState.OPEN
        settle(comparison, project)
    comparison.save(update_fields=_GOLD)
    audit.record(
        project=project,
        actor=reviewer,
        action="comparison.gold_unset",
        summary=f"Comparison {comparison.pk} has no known answer any more",
        target=comparison,
        was=was,
    )


def _locked_comparison(project: Project, comparison_id: int) -> Comparison:
    comparisons = Comparison.objects.select_for_update(no_key=True).filter(pk=comparison_id, project=project)
    comparison = comparisons.first()
    if comparison is None:
        raise not_found("comparison")
    return comparison


def _require_intensity(project: Project, preferred: str, intensity: int | None) -> None:
    if preferred in ("a", "b") and not 1 <= (intensity or 0) <= project.n_intensities:
        raise DomainError(
            "intensity_out_of_range", f"Intensity runs from 1 to {project.n_intensities} in this project."
        )


def _standing_verdict(comparison: Comparison) -> str | None:
    """The newest verdict; None without one, and where it was sent back to labelling since."""
    newest = comparison.adjudications.order_by("-id").values_list("verdict", flat=True).first()
    return None if newest == REOPENED else newest


def _resolve_flags(comparison: Comparison) -> None:
    """On a row that the caller has locked and will save."""
    comparison.flags.filter(resolved_at=None).update(resolved_at=timezone.now())
    comparison.n_flags = 0


def _in_words(verdict: str, intensity: int | None) -> str:
    words = {"a": "A is better", "b": "B is better", "tie": "a tie", "invalid": "not a valid comparison"}
    return words[verdict] + (f", intensity {intensity}" if intensity else "")


def _give_up_own_lease(comparison: Comparison, reviewer: User) -> None:
    """Nobody rates what they have answered as a reviewer: a lease they hold on it ends. The caller saves `n_taken`."""
    held = comparison.assignments.filter(labeller=reviewer, state=AssignmentState.LEASED)
    comparison.n_taken -= held.exclude(kind=AssignmentKind.REPEAT).count()
    held.update(state=AssignmentState.SKIPPED, skip_reason=_AS_REVIEWER)


def purge(*, project: Project) -> dict[str, Any]:
    """Delete a project with everything in it, ratings too: the one way past their append-only trigger."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL touchstone.purge = 'on'")
        ratings = Rating.objects.filter(project=project)
        deleted = ratings._raw_delete(ratings.db)
        Comparison.objects.filter(project=project).delete()
        project.delete()
    return {"ratings": deleted}
