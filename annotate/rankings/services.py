"""Making rankings, leasing them, and storing what labellers say as ratings of all the pairs.

Lock order everywhere: the labeller's row, then rankings by id, then comparisons by id, then assignments.
"""

import hashlib
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.errors import DomainError, not_found
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.services import add_comparisons, block, declined_tags, n_sensitive_today
from annotate.guidelines.models import GuidelineVersion
from annotate.guidelines.selectors import version_rated_under
from annotate.pool.models import Completion
from annotate.projects.access import Seat
from annotate.projects.models import Project
from annotate.rankings.models import (
    MIN_SIZE,
    Ranking,
    RankingAnswer,
    RankingAssignment,
    RankingAssignmentState,
    RankingItem,
    RankingState,
)
from annotate.ratings.models import Adjudication, Preferred, Rating, RatingOrigin
from annotate.ratings.selectors import counted
from annotate.ratings.services import count, save_counts, settle
from annotate.ratings.signals import ratings_changed

# A ranking takes minutes: more than these in hand would only be kept from others.
MAX_LEASES = 10
_LIVE = (RankingAssignmentState.LEASED, RankingAssignmentState.SUBMITTED)
_dice = random.SystemRandom()


# --- making ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def add_rankings(*, project: Project, prompts: Iterable[int], priority: int = 0) -> set[int]:
    """Make a ranking of each prompt (by id) that has three completions or more; return the prompts that got a new one.

    `project.ranking_size` completions each, those with the lowest digests, so that the same completions are chosen
    whoever asks; all where there are fewer. A prompt whose completions have grown gets a ranking of its present ones in
    place of one that nobody has been given yet. A fixed number of queries for any number of prompts; a ranking that
    exists, or that is being made by somebody else at this moment, is left as it is.
    """
    if project.ranking_size is None:
        raise DomainError("no_ranking_size", "This project asks for pairs; give it a ranking_size first.")
    chosen: dict[int, list[int]] = defaultdict(list)
    numbered = Completion.objects.filter(prompt__in=set(prompts), prompt__pool=project.pool_id).annotate(
        number=Window(RowNumber(), partition_by="prompt", order_by="digest")
    )
    for prompt_id, pk in (
        numbered.filter(number__lte=project.ranking_size).order_by("prompt", "number").values_list("prompt", "id")
    ):
        chosen[prompt_id].append(pk)
    wanted = {_digest(ids): (prompt_id, ids) for prompt_id, ids in chosen.items() if len(ids) >= MIN_SIZE}
    mine = Ranking.objects.filter(project=project)
    known = set(mine.filter(digest__in=wanted).values_list("digest", flat=True))
    fresh = {digest: made for digest, made in wanted.items() if digest not in known}
    if not fresh:
        return set()
    # Locked first, and by a count in the row itself, so that whoever is being given one at this moment keeps it.
    outgrown = mine.filter(
        ~Exists(RankingAssignment.objects.filter(ranking=OuterRef("pk"))),
        prompt__in=[prompt_id for prompt_id, _ in fresh.values()],
        n_taken=0,
    ).select_for_update(skip_locked=True, of=("self",))
    mine.filter(pk__in=list(outgrown.values_list("pk", flat=True))).delete()
    Ranking.objects.bulk_create(
        (
            Ranking(
                project=project, prompt_id=prompt_id, digest=digest, priority=priority, n_wanted=project.min_ratings
            )
            for digest, (prompt_id, _) in sorted(fresh.items())
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )
    made = dict(mine.filter(digest__in=fresh).values_list("digest", "pk"))
    RankingItem.objects.bulk_create(
        (
            RankingItem(ranking_id=made[digest], completion_id=completion_id, position=position)
            for digest, (_, ids) in fresh.items()
            if digest in made
            for position, completion_id in enumerate(ids)
        ),
        ignore_conflicts=True,
        batch_size=5000,
    )
    return {prompt_id for prompt_id, _ in fresh.values()}


def _digest(completion_ids: Iterable[int]) -> str:
    return hashlib.sha256(",".join(map(str, sorted(completion_ids))).encode()).hexdigest()


# --- leases ---------------------------------------------------------------------------------------------------------
@transaction.atomic
def lease(*, seat: Seat, n: int) -> list[RankingAssignment]:
    """Top the labeller's leases up to `n` and return them, oldest first, each renewed. Nothing for who is blocked.

    Asking again returns the same leases in the same order. Locks the labeller's row against their own concurrent
    requests and the chosen rankings, skipping those that somebody else is being given at this moment. A fixed number of
    queries, however many leases.
    """
    n = min(n, MAX_LEASES)
    User.objects.select_for_update(no_key=True).only("id").get(pk=seat.user.pk)
    if block(seat):
        return []
    until = timezone.now() + timedelta(minutes=seat.project.lease_minutes)
    if seat.project.sensitive_tags:
        _give_up_declined(seat)
    held = list(
        RankingAssignment.objects.filter(
            labeller=seat.user, ranking__project=seat.project, state=RankingAssignmentState.LEASED
        )
        .order_by("id")
        .values_list("id", flat=True)[:n]
    )
    renewed = RankingAssignment.objects.filter(pk__in=held, state=RankingAssignmentState.LEASED)
    if renewed.update(lease_until=until) < len(held):  # some were being taken back at this moment
        held = list(renewed.order_by("id").values_list("id", flat=True))
    missing = n - len(held)
    if missing > 0:
        chosen = _next_of_queue(seat, missing)
        if len(chosen) < missing and take_back_expired(project=seat.project):
            chosen = _next_of_queue(seat, missing)
        held += _give(chosen, seat.user, until)
    return list(
        RankingAssignment.objects.filter(pk__in=held)
        .select_related("ranking__prompt")
        .prefetch_related("ranking__completions")
        .order_by("id")
    )


def _next_of_queue(seat: Seat, n: int) -> list[int]:
    """The next `n`, locked, with no more warned ones among them than the labeller may see today."""
    chosen = _locked(waiting_for(seat), n)
    tags, cap = seat.project.sensitive_tags, seat.project.sensitive_per_day
    if not tags or cap is None:
        return chosen
    warned = list(
        Ranking.objects.filter(pk__in=chosen, prompt__tags__overlap=tags).order_by("-priority", "id").values_list("id")
    )
    left = max(cap - n_sensitive_today(seat) - _n_sensitive_rankings_today(seat), 0)
    if len(warned) <= left:
        return chosen
    shown = [pk for (pk,) in warned[:left]]
    mild = waiting_for(seat).exclude(prompt__tags__overlap=tags)
    return [*shown, *_locked(mild, n - left)] if n > left else shown


def _give_up_declined(seat: Seat) -> None:
    """Pass on what the labeller holds of the categories they have declined since."""
    if declined := declined_tags(seat):
        held = RankingAssignment.objects.filter(
            labeller=seat.user, ranking__project=seat.project, state=RankingAssignmentState.LEASED
        )
        for assignment_id in held.filter(ranking__prompt__tags__overlap=declined).values_list("id", flat=True):
            skip(seat=seat, assignment_id=assignment_id, reason="content_warning")


def _locked(rankings: QuerySet[Ranking], n: int) -> list[int]:
    return list(rankings.select_for_update(skip_locked=True, of=("self",)).values_list("id", flat=True)[:n])


def waiting_for(seat: Seat) -> QuerySet[Ranking]:
    """Rankings that want this labeller: open, a place free, never theirs before; highest priority, then oldest.

    Leaves out what they wrote one of or settled a pair of as a reviewer, and, as with pairs, warned categories that
    they declined or beyond the day's cap.
    """
    theirs = RankingAssignment.objects.filter(ranking=OuterRef("pk"), labeller=seat.user).exclude(
        state=RankingAssignmentState.EXPIRED
    )
    written = RankingItem.objects.filter(ranking=OuterRef("pk"), completion__author=seat.user)
    items = RankingItem.objects.filter(ranking=OuterRef(OuterRef("pk")))
    settled = Adjudication.objects.filter(
        reviewer=seat.user,
        comparison__project=seat.project,
        comparison__prompt=OuterRef("prompt"),
        comparison__a__in=items.values("completion"),
        comparison__b__in=items.values("completion"),
    )
    waiting = Ranking.objects.filter(
        ~Exists(theirs),
        ~Exists(written),
        ~Exists(settled),
        project=seat.project,
        state=RankingState.OPEN,
        n_taken__lt=F("n_wanted"),
    ).order_by("-priority", "id")
    tags, cap = seat.project.sensitive_tags, seat.project.sensitive_per_day
    if not tags:
        return waiting
    if cap is not None and n_sensitive_today(seat) + _n_sensitive_rankings_today(seat) >= cap:
        return waiting.exclude(prompt__tags__overlap=tags)
    unwanted = set(declined_tags(seat)) & set(tags)
    return waiting.exclude(prompt__tags__overlap=sorted(unwanted)) if unwanted else waiting


def _n_sensitive_rankings_today(seat: Seat) -> int:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return RankingAssignment.objects.filter(
        labeller=seat.user,
        ranking__project=seat.project,
        ranking__prompt__tags__overlap=seat.project.sensitive_tags,
        created_at__gte=midnight,
        state__in=_LIVE,
    ).count()


def _give(ranking_ids: list[int], labeller: User, until: datetime) -> list[int]:
    """Lease locked rankings. The order on the screen is drawn here, once, and stays."""
    if not ranking_ids:
        return []
    used: dict[int, set[int | None]] = defaultdict(set)
    expired: dict[int, RankingAssignment] = {}
    for assignment in RankingAssignment.objects.filter(ranking__in=ranking_ids):
        if assignment.state in _LIVE:
            used[assignment.ranking_id].add(assignment.place)
        elif assignment.labeller_id == labeller.pk:
            expired[assignment.ranking_id] = assignment
    completions: dict[int, list[int]] = defaultdict(list)
    for ranking_id, completion_id in RankingItem.objects.filter(ranking__in=ranking_ids).values_list(
        "ranking", "completion"
    ):
        completions[ranking_id].append(completion_id)
    Ranking.objects.filter(pk__in=ranking_ids).update(n_taken=F("n_taken") + 1)
    fresh = []
    for pk in ranking_ids:
        place = next(place for place in range(len(used[pk]) + 1) if place not in used[pk])
        if pk in expired:
            assignment = expired[pk]
        else:
            order = _dice.sample(completions[pk], len(completions[pk]))
            assignment = RankingAssignment(ranking_id=pk, labeller=labeller, order=order)
            fresh.append(assignment)
        assignment.state, assignment.place, assignment.lease_until = RankingAssignmentState.LEASED, place, until
    RankingAssignment.objects.bulk_create(fresh)
    if expired:
        RankingAssignment.objects.bulk_update(expired.values(), ["state", "place", "lease_until"])
    return [assignment.pk for assignment in (*fresh, *expired.values())]


@transaction.atomic
def take_back_expired(*, project: Project | None = None, limit: int = 500) -> int:
    """Free the places of leases that ran out. Locks their rankings, skipping those in use. Returns how many."""
    over = RankingAssignment.objects.filter(state=RankingAssignmentState.LEASED, lease_until__lt=timezone.now())
    if project is not None:
        over = over.filter(ranking__project=project)
    ranking_ids = set(over.values_list("ranking_id", flat=True)[:limit])
    locked = Ranking.objects.filter(pk__in=ranking_ids).order_by("id").select_for_update(skip_locked=True).only("id")
    n_freed = 0
    for ranking in locked:
        freed = ranking.assignments.filter(state=RankingAssignmentState.LEASED, lease_until__lt=timezone.now()).update(
            state=RankingAssignmentState.EXPIRED
        )
        Ranking.objects.filter(pk=ranking.pk).update(n_taken=F("n_taken") - freed)
        n_freed += freed
    return n_freed


def _lock_for_labeller(seat: Seat, assignment_id: int) -> tuple[Ranking, RankingAssignment]:
    """Lock the ranking of the labeller's own assignment; 404 for anybody else's. Call inside a transaction."""
    ranking = (
        Ranking.objects.select_for_update(of=("self",))
        .filter(assignments__pk=assignment_id, assignments__labeller=seat.user, project=seat.project)
        .first()
    )
    if ranking is None:
        raise not_found("assignment")
    return ranking, RankingAssignment.objects.get(pk=assignment_id)


@transaction.atomic
def skip(*, seat: Seat, assignment_id: int, reason: str) -> RankingAssignment:
    """The labeller passes; the place is free for somebody else. Locks the ranking."""
    ranking, assignment = _lock_for_labeller(seat, assignment_id)
    if assignment.state == RankingAssignmentState.SUBMITTED:
        raise DomainError("already_ranked", "You have ranked these already; they can no longer be skipped.")
    if assignment.state == RankingAssignmentState.LEASED:
        Ranking.objects.filter(pk=ranking.pk).update(n_taken=F("n_taken") - 1)
    assignment.state, assignment.skip_reason = RankingAssignmentState.SKIPPED, reason[:300]
    assignment.save(update_fields=["state", "skip_reason"])
    return assignment


# --- answers --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Order:
    """A ranking as the labeller made it: `tiers` of positions on their screen (from 0), best first, ties together."""

    client_id: uuid.UUID
    assignment_id: int
    tiers: Sequence[Sequence[int]]
    active_ms: int | None = None
    justification: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one ranking of a batch."""

    client_id: uuid.UUID
    status: Literal["accepted", "duplicate", "rejected"]
    answer_id: int | None = None
    code: str = ""
    detail: str = ""


def submit(*, seat: Seat, orders: Sequence[Order]) -> list[Outcome]:
    """Store each ranking in a transaction of its own: one that is refused does not lose the others."""
    version = version_rated_under(seat.user, seat.project)
    outcomes = []
    for order in orders:
        try:
            outcomes.append(_submit_one(seat, order, version))
        except DomainError as error:
            outcomes.append(Outcome(order.client_id, "rejected", None, error.code, error.message))
    return outcomes


def _submit_one(seat: Seat, order: Order, version: GuidelineVersion | None) -> Outcome:
    if sent_before := _sent_before(seat, order):
        return sent_before
    try:
        with transaction.atomic():
            ranking, assignment = _lock_for_labeller(seat, order.assignment_id)
            # Under the lock, since another request of this client may have stored it while this one waited.
            if assignment.state == RankingAssignmentState.SUBMITTED and (sent_before := _sent_before(seat, order)):
                return sent_before
            answer = _store(seat, order, ranking, assignment, version)
    except IntegrityError:
        # The same client_id was being stored for another ranking at this moment.
        if sent_before := _sent_before(seat, order):
            return sent_before
        raise
    return Outcome(order.client_id, "accepted", answer.pk)


def _sent_before(seat: Seat, order: Order) -> Outcome | None:
    answer = RankingAnswer.objects.filter(client_id=order.client_id).only("id", "labeller_id").first()
    if answer is None:
        return None
    if answer.labeller_id != seat.user.pk:
        raise DomainError("client_id_taken", "This client_id is another ranking's; make a new random UUID.")
    return Outcome(order.client_id, "duplicate", answer.pk)


def _store(
    seat: Seat, order: Order, ranking: Ranking, assignment: RankingAssignment, version: GuidelineVersion | None
) -> RankingAnswer:
    """Store the answer and the ratings of its pairs; the ranking is locked by the caller, the comparisons here."""
    _validate(seat.project, order, len(assignment.order))
    if assignment.state == RankingAssignmentState.SUBMITTED:
        raise DomainError("already_ranked", "You have ranked these already, perhaps in another tab.")
    if assignment.state == RankingAssignmentState.SKIPPED:
        raise DomainError("skipped", "You have skipped this ranking.")
    if assignment.state == RankingAssignmentState.EXPIRED:
        # The lease ran out while the labeller was offline. The work is done, so it counts: it takes a place again,
        # an additional one if others have filled the ranking meanwhile.
        places = ranking.assignments.exclude(place=None).order_by("-place").values_list("place", flat=True)
        assignment.place = (places.first() or 0) + 1
        ranking.n_taken += 1
    assignment.state = RankingAssignmentState.SUBMITTED
    assignment.save(update_fields=["state", "place"])
    answer = RankingAnswer.objects.create(
        assignment=assignment,
        labeller=seat.user,
        project=seat.project,
        tiers=[[assignment.order[position] for position in tier] for tier in order.tiers],
        justification=order.justification,
        active_ms=order.active_ms,
        guideline_version=version,
        client_id=order.client_id,
        created_at=timezone.now(),
    )
    _rate_pairs(seat, ranking, assignment, answer)
    n_answers = ranking.assignments.filter(state=RankingAssignmentState.SUBMITTED).count()
    ranking.state = RankingState.COMPLETE if n_answers >= ranking.n_wanted else RankingState.OPEN
    ranking.save(update_fields=["n_taken", "state"])
    ratings_changed.send(sender=Rating, project_id=seat.project.pk)
    return answer


def _validate(project: Project, order: Order, size: int) -> None:
    if sorted(position for tier in order.tiers for position in tier) != list(range(size)) or not all(order.tiers):
        raise DomainError(
            "not_a_ranking", f"tiers has to name each position from 0 to {size - 1} once, and no tier may be empty."
        )
    if not project.ties_allowed and len(order.tiers) < size:
        raise DomainError("ties_not_allowed", "This project asks for a decision: no two may share a place here.")
    if len(order.justification.strip()) < project.justification_min_length:
        raise DomainError(
            "justification_too_short",
            f"Say why in {project.justification_min_length} characters or more; this project asks for it.",
        )


def preferences(tiers: Sequence[Sequence[int]]) -> dict[tuple[int, int], str]:
    """What a ranking says of each pair of its completions, by (lower id, higher id): "a", "b" or "tie"."""
    place = {completion_id: number for number, tier in enumerate(tiers) for completion_id in tier}
    said = {}
    for a, b in combinations(sorted(place), 2):
        is_tie = place[a] == place[b]
        said[a, b] = (Preferred.TIE if is_tie else Preferred.A if place[a] < place[b] else Preferred.B).value
    return said


def _rate_pairs(seat: Seat, ranking: Ranking, assignment: RankingAssignment, answer: RankingAnswer) -> None:
    """One rating a pair, each on its comparison, in a fixed number of queries. Locks the comparisons.

    A pair that this labeller had rated before, by itself or in a ranking that shares it, is corrected: the new rating
    supersedes the old one, so that each labeller counts once.
    """
    said = preferences(answer.tiers)
    # Closed, so that the queue of pairs, which hands out open ones only, never asks for them by themselves. A pair that
    # was open for rating already stays so.
    ids = add_comparisons(
        project=seat.project,
        pairs=[(ranking.prompt_id, a, b) for a, b in said],
        state=ComparisonState.CLOSED,
    )
    locked = Comparison.objects.select_for_update(of=("self",)).filter(pk__in=ids.values()).order_by("pk")
    comparisons = {(one.a_id, one.b_id): one for one in locked}
    theirs = Assignment.objects.filter(comparison__in=ids.values(), labeller=seat.user).exclude(
        kind=AssignmentKind.REPEAT
    )
    assignments = {one.comparison_id: one for one in theirs}
    earlier = {
        rating.comparison_id: rating
        for rating in counted(Rating.objects.filter(assignment__in=assignments.values())).only(
            "id", "comparison_id", "preferred"
        )
    }
    shown = {completion_id: position for position, completion_id in enumerate(assignment.order)}
    times = _shares(answer.active_ms, len(said))
    fresh, changed, ratings = [], [], []
    for (a, b), preferred in said.items():
        comparison = comparisons[a, b]
        corrected = earlier.get(comparison.pk)
        one = assignments.get(comparison.pk)
        if one is None:
            one = Assignment(comparison=comparison, labeller=seat.user)
            fresh.append(one)
            comparison.n_taken += 1
        elif one.state != AssignmentState.SUBMITTED:
            # Leased for rating by itself, or let go of: this settles it.
            comparison.n_taken += one.state != AssignmentState.LEASED
            changed.append(one)
        if corrected is None:
            one.kind, one.state, one.place = AssignmentKind.RANKING, AssignmentState.SUBMITTED, None
            one.first = "a" if shown[a] < shown[b] else "b"
        else:
            count(comparison, corrected.preferred, -1)
        ratings.append(
            Rating(
                comparison=comparison,
                assignment=one,
                labeller=seat.user,
                project=seat.project,
                preferred=preferred,
                active_ms=next(times),
                guideline_version_id=answer.guideline_version_id,
                client_id=uuid.uuid5(answer.client_id, f"{a}/{b}"),
                supersedes=corrected,
                ranking_id=answer.client_id,
                origin=RatingOrigin.LABELLER,
                created_at=answer.created_at,
            )
        )
        count(comparison, preferred, +1)
        settle(comparison, seat.project)
    Assignment.objects.bulk_create(fresh)
    if changed:
        Assignment.objects.bulk_update(changed, ["kind", "state", "place", "first"])
    Rating.objects.bulk_create(ratings)
    save_counts(list(comparisons.values()))


def _shares(total: int | None, n: int) -> Iterator[int | None]:
    """`total` in n whole parts as even as can be, so that they add up to it again; n times None for None."""
    if total is None:
        return iter([None] * n)
    least, rest = divmod(total, n)
    return iter([least + (number < rest) for number in range(n)])
