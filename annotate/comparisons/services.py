"""The queue: making comparisons, leasing them, taking leases back.

Lock order everywhere: the labeller's membership, then comparisons, then assignments.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from annotate.accounts.models import User
from annotate.common.compiled import Compiled, prepared
from annotate.common.errors import DomainError, not_found
from annotate.comparisons.models import (
    Assignment,
    AssignmentKind,
    AssignmentState,
    Comparison,
    ComparisonState,
)
from annotate.guidelines.selectors import Standing, standing
from annotate.pool.models import Completion, Prompt
from annotate.projects.access import Seat
from annotate.projects.models import Membership, Project, Role

MAX_LEASES = 20
# A pair comes back as a repeat once the labeller has rated so many others since.
REPEAT_AFTER = 20
_MARKED_AT_ONCE = 2000
# Gold and repeats are drawn among so many candidates.
_DRAWN_FROM = 200
_LIVE = (AssignmentState.LEASED, AssignmentState.SUBMITTED)
_dice = random.SystemRandom()


def add_comparisons(
    *,
    project: Project,
    pairs: Iterable[tuple[int, int, int]],
    priority: int = 0,
    state: ComparisonState = ComparisonState.OPEN,
) -> dict[tuple[int, int], int]:
    """Make the comparisons that do not exist yet: (prompt id, completion id, completion id) each.

    Returns comparison ids by (lower completion id, higher completion id), of the existing ones too. A fixed number of
    queries for any number of pairs; safe beside a concurrent call, since the pair is unique and conflicts are ignored.
    """
    rows = {(min(x, y), max(x, y)): prompt for prompt, x, y in pairs}
    warnings = _warnings(project, set(rows.values()))
    Comparison.objects.bulk_create(
        [
            Comparison(
                project=project,
                prompt_id=prompt,
                a_id=a,
                b_id=b,
                priority=priority,
                state=state,
                n_wanted=project.min_ratings,
                warnings=warnings.get(prompt, []),
            )
            for (a, b), prompt in rows.items()
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    existing = Comparison.objects.filter(project=project, a_id__in={a for a, _ in rows}).values_list(
        "a_id", "b_id", "id"
    )
    return {(a, b): pk for a, b, pk in existing if (a, b) in rows}


def _warnings(project: Project, prompt_ids: set[int]) -> dict[int, list[str]]:
    """The sensitive tags of those prompts that have any."""
    if not project.sensitive_tags:
        return {}
    tagged = Prompt.objects.filter(pk__in=prompt_ids, tags__overlap=project.sensitive_tags)
    return {pk: [tag for tag in tags if tag in project.sensitive_tags] for pk, tags in tagged.values_list("id", "tags")}


def mark_sensitive(*, project: Project) -> int:
    """Write the warnings of all comparisons anew, after the project's sensitive tags have changed. Returns how many
    changed. In batches, each a transaction of its own, so that the queue goes on beside it; may be run again. Tags that
    change meanwhile are seen by the next batch."""
    n_changed, last = 0, 0
    while True:
        project.refresh_from_db(fields=["sensitive_tags"])
        batch = Comparison.objects.filter(project=project, pk__gt=last).order_by("id")
        rows = list(batch.values_list("id", "prompt_id", "warnings")[:_MARKED_AT_ONCE])
        if not rows:
            return n_changed
        wanted = _warnings(project, {prompt for _, prompt, _ in rows})
        stale = [(pk, wanted.get(prompt, [])) for pk, prompt, held in rows if held != wanted.get(prompt, [])]
        Comparison.objects.bulk_update([Comparison(pk=pk, warnings=tags) for pk, tags in stale], ["warnings"])
        n_changed, last = n_changed + len(stale), rows[-1][0]


# --- leases ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Block:
    """Why a labeller is given no work."""

    code: str
    detail: str


_NOT_QUALIFIED = {
    Standing.MUST_READ: "Read the guidelines first.",
    Standing.MUST_PASS: "Read the guidelines and pass their quiz first.",
    Standing.FAILED: "The quiz was not passed, and no attempts are left; a reviewer can allow another one.",
}


def block(seat: Seat) -> Block | None:
    """What keeps the labeller from work: a pause, guidelines to be read, a quiz to be passed; None if nothing does."""
    return _block(_membership(seat).first(), standing(seat.user, seat.project))


def _membership(seat: Seat) -> QuerySet[Membership]:
    return Membership.objects.filter(project=seat.project, user=seat.user)


def _block(membership: Membership | None, found: Standing) -> Block | None:
    if membership is not None and membership.paused_at is not None:
        return Block("paused", membership.pause_reason)
    return None if found == Standing.OK else Block(str(found.value), _NOT_QUALIFIED[found])


@transaction.atomic
def lease(*, seat: Seat, n: int) -> list[Assignment]:
    """Top the labeller's leases up to `n` and return them, oldest first, each renewed. Nothing for who is blocked.

    Asking again returns the same leases, so a reload, a second tab or a lost answer does not pile them up. Locks the
    labeller's membership against their own concurrent requests and the chosen comparisons, skipping those that somebody
    else is being given at this moment. Five queries or so, however many leases.
    """
    return lease_to(lock_member(seat), seat=seat, n=n, found=standing(seat.user, seat.project))


def lock_member(seat: Seat) -> Membership | None:
    """Lock a labeller's membership, if they have one, or else themselves. Call inside a transaction."""
    membership = _locked_membership.first(seat.user.pk, seat.project.pk)
    if membership is None:  # a superuser, who sits in every project
        User.objects.select_for_update(no_key=True).only("id").get(pk=seat.user.pk)
    return membership


def lease_to(membership: Membership | None, *, seat: Seat, n: int, found: Standing) -> list[Assignment]:
    """`lease` to a labeller whose membership the caller has locked and whose standing they know."""
    n = min(n, MAX_LEASES)
    if _block(membership, found):
        return []
    now, length = timezone.now(), timedelta(minutes=seat.project.lease_minutes)
    if seat.project.sensitive_tags:
        _give_up_declined(seat)
    held = _held(seat.user.pk, seat.project.pk)[:n]
    # Renewed in good time, and not with every answer.
    short = {assignment.pk for assignment in held if assignment.lease_until < now + 0.75 * length}
    if short:
        leased = Assignment.objects.filter(pk__in=short, state=AssignmentState.LEASED)
        if leased.update(lease_until=now + length) < len(short):  # some were being taken back at this moment
            short &= set(leased.values_list("id", flat=True))
            held = [one for one in held if one.pk in short or one.lease_until >= now + 0.75 * length]
        for assignment in held:
            assignment.lease_until = now + length if assignment.pk in short else assignment.lease_until
    if len(held) < n:
        held += _hand_out(seat, n - len(held), now + length)
    return sorted(held, key=lambda assignment: assignment.pk)


_GIVEN = (
    *("id", "created_at", "comparison_id", "labeller_id", "kind"),
    *("state", "place", "first", "lease_until", "skip_reason"),
)
_locked_membership = Compiled(
    lambda user, project: (
        Membership.objects.filter(user=user, project=project)
        .select_for_update(no_key=True)
        .only("id", "paused_at", "pause_reason")
    ),
    int,
    int,
)
_TEXTS = ("project_id", "prompt_id", "a_id", "b_id", "warnings", "prompt__messages", "a__text", "b__text")
_held: Compiled[Any] = Compiled(
    lambda user, project: (
        Assignment.objects.filter(labeller=user, comparison__project=project, state=AssignmentState.LEASED)
        .select_related("comparison__prompt", "comparison__a", "comparison__b")
        .only(*_GIVEN, *(f"comparison__{name}" for name in _TEXTS))
        .order_by("id")[:MAX_LEASES]
    ),
    int,
    int,
)


def _hand_out(seat: Seat, n: int, until: datetime) -> list[Assignment]:
    """Lease `n` more, gold and repeats mixed in at the project's rates. Without regular work there is none of them."""
    project = seat.project
    draws = [_dice.random() for _ in range(n)]
    n_gold = sum(draw < project.gold_rate for draw in draws)
    n_repeats = sum(project.gold_rate <= draw < project.gold_rate + project.repeat_rate for draw in draws)
    allowance = _Allowance(seat) if project.sensitive_tags else None
    gold = _gold_for(seat, n_gold) if n_gold else []
    repeats = _repeats_for(seat, n_repeats) if n_repeats else []
    if allowance is not None:
        gold = [comparison for comparison in gold if allowance.takes(comparison)]
        repeats = [rated for rated in repeats if allowance.takes(rated.comparison)]
    n_regular = n - len(gold) - len(repeats)
    regular = _regular_for(seat, n_regular, allowance)
    if len(regular) < n_regular and take_back_expired_leases(project=project):
        regular = _regular_for(seat, n_regular, allowance)
    if not regular and (n_regular or not waiting_for(seat).exists()):
        return []
    # The rising ids tell nothing: gold lies anywhere among the others, repeats before or after them.
    chosen = [(comparison, AssignmentKind.REGULAR) for comparison in regular]
    for comparison in gold:
        chosen.insert(_dice.randint(0, len(chosen)), (comparison, AssignmentKind.GOLD))
    steps = [lambda: _give(chosen, seat.user, until), lambda: _give_again(repeats, seat.user, until)]
    _dice.shuffle(steps)
    return [assignment for step in steps for assignment in step()]


class _Allowance:
    """How much of what carries a warning may be given to a labeller now."""

    def __init__(self, seat: Seat) -> None:
        cap = seat.project.sensitive_per_day
        self.left = None if cap is None else max(cap - n_sensitive_today(seat), 0)
        self._declined = set(declined_tags(seat))

    def takes(self, comparison: Comparison) -> bool:
        """Whether it may be given; if so, it is counted."""
        if not comparison.warnings:
            return True
        if self.left == 0 or not self._declined.isdisjoint(comparison.warnings):
            return False
        if self.left is not None:
            self.left -= 1
        return True


def _regular_for(seat: Seat, n: int, allowance: _Allowance | None) -> list[Comparison]:
    """The next `n` of the queue, locked, with no more warned ones among them than the labeller may see today."""
    if allowance is None:
        return _next_of_queue(n)(seat.user.pk, seat.project.pk) if n else []
    chosen = _locked(waiting_for(seat), n)
    if allowance.left is None or sum(bool(comparison.warnings) for comparison in chosen) <= allowance.left:
        return chosen
    warned = [comparison for comparison in chosen if comparison.warnings][: allowance.left]
    mild = _locked(waiting_for(seat).filter(warnings=[]), n - len(warned))
    return [*warned, *mild]


def _give_up_declined(seat: Seat) -> None:
    """Pass on what the labeller holds of the categories they have declined since."""
    if declined := declined_tags(seat):
        held = Assignment.objects.filter(
            labeller=seat.user, comparison__project=seat.project, state=AssignmentState.LEASED
        )
        for assignment_id in held.filter(comparison__warnings__overlap=declined).values_list("id", flat=True):
            skip(seat=seat, assignment_id=assignment_id, reason="content_warning")


def declined_tags(seat: Seat) -> list[str]:
    return _membership(seat).values_list("declined_tags", flat=True).first() or []


def _locked(comparisons: QuerySet[Comparison], n: int) -> list[Comparison]:
    return list(_to_be_given(comparisons, n)) if n else []


def _to_be_given(comparisons: QuerySet[Comparison], n: int) -> QuerySet[Comparison]:
    """Locked, without those that are locked, and with the texts."""
    texts = comparisons.select_related("prompt", "a", "b").only(*_TEXTS)
    return texts.select_for_update(skip_locked=True, of=("self",))[:n]


@cache
def _next_of_queue(n: int) -> Compiled[Comparison]:
    """`_locked(waiting_for(seat), n)` by user and project, where no prompt is sensitive."""
    return Compiled(
        lambda user, project: _to_be_given(waiting_for(_seat(user, project)), n),
        int,
        int,
    )


def _seat(user: int, project: int) -> Seat:
    """To write queries with that depend on nothing but these two."""
    return Seat(User(pk=user), Project(pk=project), Role.LABELLER)


def waiting_for(seat: Seat) -> QuerySet[Comparison]:
    """Comparisons that want this labeller: open, a place free, never theirs before; highest priority, then oldest.

    Leaves out what they wrote a side of, categories they declined, and warned categories beyond the day's cap.
    """
    theirs = Assignment.objects.filter(comparison=OuterRef("pk"), labeller=seat.user).exclude(
        state=AssignmentState.EXPIRED
    )
    waiting = Comparison.objects.filter(
        ~Exists(theirs), project=seat.project, state=ComparisonState.OPEN, n_taken__lt=F("n_wanted")
    )
    return _suitable(waiting, seat).order_by("-priority", "id")


def _suitable(comparisons: QuerySet[Comparison], seat: Seat) -> QuerySet[Comparison]:
    """Without those that this labeller wrote a side of, gave a gold answer to as a reviewer, or is not to see."""
    written = Completion.objects.filter(author=seat.user).values("id")
    comparisons = comparisons.exclude(a__in=written).exclude(b__in=written).exclude(gold_by=seat.user)
    if not seat.project.sensitive_tags:
        return comparisons
    cap = seat.project.sensitive_per_day
    if cap is not None and n_sensitive_today(seat) >= cap:
        return comparisons.filter(warnings=[])
    tags = declined_tags(seat)
    return comparisons.exclude(warnings__overlap=tags) if tags else comparisons


def waiting_ids(seat: Seat, n: int) -> list[int]:
    """The first `n` of what `waiting_for` gives."""
    if seat.project.sensitive_tags:
        return list(waiting_for(seat).values_list("id", flat=True)[:n])
    return [pk for (pk,) in _waiting_ids(n)(seat.user.pk, seat.project.pk)]


@cache
def _waiting_ids(n: int) -> Compiled[tuple[int]]:
    return Compiled(lambda user, project: waiting_for(_seat(user, project)).values_list("id")[:n], int, int)


def n_sensitive_today(seat: Seat) -> int:
    """Pairs with a warning that the labeller has been given today, not counting those they passed on unseen: who flags
    one has seen it. What a ranking left behind is counted with the rankings."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    # A lease given yesterday and given again today counts today.
    since = midnight + timedelta(minutes=seat.project.lease_minutes)
    seen = Q(state__in=_LIVE) | Q(state=AssignmentState.SKIPPED, comparison__flags__labeller=seat.user)
    given = Assignment.objects.filter(seen, labeller=seat.user, comparison__project=seat.project)
    given = given.filter(Q(created_at__gte=midnight) | Q(lease_until__gte=since)).exclude(comparison__warnings=[])
    return given.exclude(kind=AssignmentKind.RANKING).values("id").distinct().count()


def _gold_for(seat: Seat, n: int) -> list[Comparison]:
    """Up to `n` gold comparisons that the labeller has never had and did not answer as a reviewer, drawn at random."""
    ids = list(_unseen_gold(seat)) if seat.project.sensitive_tags else _gold_ids(seat.user.pk, seat.project.pk)
    if not ids:
        return []
    drawn = _dice.sample([pk for (pk,) in ids], min(n, len(ids)))
    return _locked(Comparison.objects.filter(pk__in=drawn).order_by("id"), n)


def _unseen_gold(seat: Seat) -> QuerySet[Comparison, tuple[int]]:
    theirs = Assignment.objects.filter(comparison=OuterRef("pk"), labeller=seat.user)
    unseen = Comparison.objects.filter(
        ~Exists(theirs), project=seat.project, gold_preferred__isnull=False, state=ComparisonState.CLOSED
    )
    return _suitable(unseen, seat).order_by("id").values_list("id")[:_DRAWN_FROM]


_gold_ids: Compiled[tuple[int]] = Compiled(lambda user, project: _unseen_gold(_seat(user, project)), int, int)


def _repeats_for(seat: Seat, n: int) -> list[Assignment]:
    """Up to `n` of the labeller's own pairs of some time ago, drawn at random, that have not come back yet."""
    known = _rated_before(REPEAT_AFTER)(seat.user.pk, seat.project.pk)
    if not known:
        return []
    drawn = _dice.sample([pk for (pk,) in known], min(n, len(known)))
    shown = ("comparison__prompt", "comparison__a", "comparison__b")
    return list(Assignment.objects.filter(pk__in=drawn).select_related(*shown))


@cache
def _rated_before(n_since: int) -> Compiled[tuple[int]]:
    """Ids of what a labeller has rated, by user and project, newest first, without the newest `n_since`."""

    def build(user: int, project: int) -> QuerySet[Assignment, tuple[int]]:
        again = Assignment.objects.filter(comparison=OuterRef("comparison"), labeller=user, kind=AssignmentKind.REPEAT)
        rated = Assignment.objects.filter(
            ~Exists(again),
            labeller=user,
            comparison__project=project,
            comparison__n_flags=0,
            kind=AssignmentKind.REGULAR,
            state=AssignmentState.SUBMITTED,
        ).exclude(comparison__state=ComparisonState.ADJUDICATED)
        return rated.order_by("-id").values_list("id")[n_since : n_since + _DRAWN_FROM]

    return Compiled(build, int, int)


def _give(chosen: list[tuple[Comparison, AssignmentKind]], labeller: User, until: datetime) -> list[Assignment]:
    """Lease locked comparisons, each as its kind, in this order. The side shown first is drawn here and stays."""
    if not chosen:
        return []
    by_id = {comparison.pk: comparison for comparison, _ in chosen}
    with prepared() as cursor:
        cursor.execute(
            _GIVE,
            {
                "comparisons": list(by_id),
                "firsts": [_dice.choice("ab") for _ in by_id],
                "labeller": labeller.pk,
                "kinds": [kind.value for _, kind in chosen],
                "until": until,
                "now": timezone.now(),
            },
        )
        rows = cursor.fetchall()
    if len(rows) != len(by_id):
        raise RuntimeError(f"{len(rows)} of {len(by_id)} locked comparisons could be leased")
    given = [Assignment.from_db(DEFAULT_DB_ALIAS, _GIVEN, row) for row in rows]
    for assignment in given:
        assignment.comparison = by_id[assignment.comparison_id]
    return given


# Answers with the columns of _GIVEN. Gives the lowest free place of each comparison; what expired in the labeller's own
# hands is given to them again as it was.
_GIVE = """
    WITH chosen AS (
        SELECT c.id, given.first, given.kind, given.number, (
            SELECT min(free) FROM generate_series(0, c.n_taken) AS free WHERE NOT EXISTS (
                SELECT FROM comparisons_assignment s
                WHERE s.comparison_id = c.id AND s.place = free
                  AND s.state IN ('leased', 'submitted') AND s.kind <> 'repeat')) AS place
        FROM unnest(%(comparisons)s::bigint[], %(firsts)s::text[], %(kinds)s::text[])
            WITH ORDINALITY AS given(id, first, kind, number)
        JOIN comparisons_comparison c ON c.id = given.id),
    taken AS (UPDATE comparisons_comparison c SET n_taken = c.n_taken + 1 FROM chosen WHERE c.id = chosen.id)
    INSERT INTO comparisons_assignment
        (created_at, comparison_id, labeller_id, kind, state, place, first, lease_until, skip_reason)
    SELECT %(now)s, id, %(labeller)s, kind, 'leased', place, first, %(until)s, '' FROM chosen ORDER BY number
    ON CONFLICT (comparison_id, labeller_id) WHERE NOT (kind = 'repeat') DO UPDATE
        SET state = 'leased', kind = excluded.kind, place = excluded.place, lease_until = excluded.lease_until
        WHERE comparisons_assignment.state = 'expired'
    RETURNING id, created_at, comparison_id, labeller_id, kind, state, place, first, lease_until, skip_reason"""


def _give_again(rated: list[Assignment], labeller: User, until: datetime) -> list[Assignment]:
    """Lease pairs that the labeller has rated, with the sides exchanged. They take no place."""
    swapped = {"a": "b", "b": "a"}
    return Assignment.objects.bulk_create(
        Assignment(
            comparison=before.comparison,
            labeller=labeller,
            kind=AssignmentKind.REPEAT,
            first=swapped[before.first or "a"],
            lease_until=until,
        )
        for before in rated
    )


@transaction.atomic
def take_back_expired_leases(*, project: Project | None = None, limit: int = 500) -> int:
    """Free the places of leases that ran out. Locks their comparisons, skipping those in use. Returns how many."""
    expired = Assignment.objects.filter(state=AssignmentState.LEASED, lease_until__lt=timezone.now())
    if project is not None:
        expired = expired.filter(comparison__project=project)
    comparison_ids = set(expired.values_list("comparison_id", flat=True)[:limit])
    locked = Comparison.objects.filter(pk__in=comparison_ids).order_by("id").select_for_update(skip_locked=True)
    n_freed = 0
    for comparison in locked:
        over = comparison.assignments.filter(state=AssignmentState.LEASED, lease_until__lt=timezone.now())
        freed = over.exclude(kind=AssignmentKind.REPEAT).update(state=AssignmentState.EXPIRED)
        over.update(state=AssignmentState.EXPIRED)
        if freed:
            Comparison.objects.filter(pk=comparison.pk).update(n_taken=F("n_taken") - freed)
        n_freed += freed
    return n_freed


_own_assignment: Compiled[Assignment] = Compiled(
    lambda assignment, labeller, project: (
        Assignment.objects.select_related("comparison")
        .select_for_update(of=("comparison", "self"))  # locked in this order
        .filter(pk=assignment, labeller=labeller, comparison__project=project)
    ),
    int,
    int,
    int,
)


def lock_for_labeller(*, seat: Seat, assignment_id: int) -> tuple[Comparison, Assignment]:
    """Lock the comparison of the labeller's own assignment, then the assignment; 404 for anybody else's.

    Call inside a transaction. Both are as they are once the locks are held.
    """
    assignment = _own_assignment.first(assignment_id, seat.user.pk, seat.project.pk)
    if assignment is None:
        raise not_found("assignment")
    return assignment.comparison, assignment


@transaction.atomic
def skip(*, seat: Seat, assignment_id: int, reason: str) -> Assignment:
    """The labeller passes; the place is free for somebody else. Locks the comparison."""
    comparison, assignment = lock_for_labeller(seat=seat, assignment_id=assignment_id)
    if assignment.state == AssignmentState.SUBMITTED:
        raise DomainError("already_rated", "You have rated this comparison; it can no longer be skipped.")
    if assignment.state == AssignmentState.LEASED and assignment.kind != AssignmentKind.REPEAT:
        Comparison.objects.filter(pk=comparison.pk).update(n_taken=F("n_taken") - 1)
    assignment.state, assignment.skip_reason = AssignmentState.SKIPPED, reason[:300]
    assignment.save(update_fields=["state", "skip_reason"])
    return assignment
