"""Whatever labellers do to the queue and in whatever order, its counts stay right and nobody is asked twice."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.comparisons import services as queue
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison
from annotate.projects.access import Seat, access_project
from annotate.projects.models import Capability, Membership, Project, Role
from annotate.projects.services import pause_member, resume_member
from annotate.ratings import services as ratings
from annotate.ratings.models import FlagKind, Rating
from annotate.ratings.services import Judgement, Outcome
from tests.cast import Cast, make_comparisons, make_user
from tests.workload import broken_rules

N_LABELLERS, N_COMPARISONS, MINIMUM, MAXIMUM = 4, 4, 2, 4
LABELLERS = st.integers(0, N_LABELLERS - 1)
PICKS = st.integers(0, 9)  # which of those there are, counted round
ANSWERS = st.sampled_from(["a", "b", "tie"])


@dataclass(frozen=True)
class World:
    project: Project
    labellers: list[User]
    reviewer: User


class Queue(RuleBasedStateMachine):
    """Labellers at one project's queue. Beside the database it remembers only what was acknowledged to them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.done: set[tuple[int, int]] = set()  # (labeller, comparison) that were rated or passed on
        self.rated: set[tuple[int, int]] = set()
        self.accepted: dict[UUID, tuple[int, int, str]] = {}  # client_id: rating, assignment, answer
        self.n_late: dict[int, int] = {}  # by comparison
        self.gold: set[int] = set()  # were gold at some time
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    # --- helpers ----------------------------------------------------------------------------------------------------
    def seat(self, user: User) -> Seat:
        """As every request finds it anew."""
        return access_project(user, self.world.project.slug, Capability.LABEL)

    def membership(self, number: int) -> Membership:
        return Membership.objects.get(project=self.world.project, user=self.world.labellers[number])

    def assignments(self, *states: AssignmentState, **filters: object) -> list[Assignment]:
        found = Assignment.objects.filter(comparison__project=self.world.project, state__in=states, **filters)
        return list(found.select_related("labeller").order_by("id"))

    def submit(self, assignment: Assignment, answer: str, client_id: UUID, supersedes: UUID | None = None) -> Outcome:
        first = str(assignment.first)
        shown = answer if answer == "tie" else ("first" if answer == first else "second")
        intensity = None if answer == "tie" else 2
        judgement = Judgement(client_id, assignment.pk, shown, intensity, supersedes=supersedes)
        (outcome,) = ratings.submit(seat=self.seat(assignment.labeller), judgements=[judgement])
        return outcome

    def accept(self, outcome: Outcome, assignment: Assignment, answer: str) -> None:
        assert outcome.status == "accepted", outcome
        assert outcome.rating_id is not None
        pair = (assignment.labeller_id, assignment.comparison_id)
        self.done.add(pair)
        self.rated.add(pair)
        self.accepted[outcome.client_id] = (outcome.rating_id, assignment.pk, answer)

    # --- what labellers do ------------------------------------------------------------------------------------------
    @initialize(seed=st.integers(0, 2**16), gold=st.booleans())
    def begin(self, seed: int, gold: bool) -> None:
        queue._dice.seed(seed)  # the test's own: what is drawn has to come again when an example is repeated
        if gold:
            self.make_gold(0, "a")

    @rule(labeller=LABELLERS, n=st.integers(1, 3))
    def lease(self, labeller: int, n: int) -> None:
        user = self.world.labellers[labeller]
        before = set(Assignment.objects.filter(state=AssignmentState.LEASED).values_list("id", flat=True))
        given = queue.lease(seat=self.seat(user), n=n)
        if self.membership(labeller).paused_at is not None:
            assert given == []
        assert len(given) <= n
        assert len({assignment.comparison_id for assignment in given}) == len(given)
        for assignment in given:
            assert (assignment.labeller_id, assignment.state) == (user.pk, AssignmentState.LEASED)
            assert assignment.lease_until is not None and assignment.lease_until > timezone.now()
            pair = (user.pk, assignment.comparison_id)
            assert pair in self.rated if assignment.kind == AssignmentKind.REPEAT else pair not in self.done
            if assignment.pk in before:
                continue
            comparison = Comparison.objects.get(pk=assignment.comparison_id)
            if assignment.kind == AssignmentKind.REGULAR:
                assert comparison.state == "open"
                assert comparison.n_taken <= comparison.n_wanted, "over-assigned"
            assert (assignment.kind == AssignmentKind.GOLD) <= (comparison.gold_preferred is not None)

    @rule(pick=PICKS, answer=ANSWERS)
    def submit_held(self, pick: int, answer: str) -> None:
        held = self.assignments(AssignmentState.LEASED)
        if held:
            assignment = held[pick % len(held)]
            self.accept(self.submit(assignment, answer, uuid4()), assignment, answer)

    @rule(pick=PICKS, answer=ANSWERS)
    def submit_late(self, pick: int, answer: str) -> None:
        """The lease ran out and was taken back, the work is done all the same: it counts."""
        lost = self.assignments(AssignmentState.EXPIRED)
        if lost:
            assignment = lost[pick % len(lost)]
            self.accept(self.submit(assignment, answer, uuid4()), assignment, answer)
            self.n_late[assignment.comparison_id] = self.n_late.get(assignment.comparison_id, 0) + 1

    @rule(pick=PICKS)
    def submit_again(self, pick: int) -> None:
        """The answer was lost on the way: the same client_id comes a second time."""
        if self.accepted:
            client_id = list(self.accepted)[pick % len(self.accepted)]
            rating_id, assignment_id, answer = self.accepted[client_id]
            assignment = Assignment.objects.select_related("labeller").get(pk=assignment_id)
            outcome = self.submit(assignment, answer, client_id)
            assert (outcome.status, outcome.rating_id) == ("duplicate", rating_id)

    @rule(pick=PICKS, answer=ANSWERS)
    def rate_twice(self, pick: int, answer: str) -> None:
        """From another tab, with a client_id of its own."""
        rated = self.assignments(AssignmentState.SUBMITTED)
        if rated:
            outcome = self.submit(rated[pick % len(rated)], answer, uuid4())
            assert (outcome.status, outcome.code) == ("rejected", "already_rated")

    @rule(pick=PICKS, answer=ANSWERS)
    def correct(self, pick: int, answer: str) -> None:
        rated = self.assignments(AssignmentState.SUBMITTED)
        if rated:
            assignment = rated[pick % len(rated)]
            latest = Rating.objects.filter(assignment=assignment).order_by("-id")[0]
            outcome = self.submit(assignment, answer, uuid4(), supersedes=latest.client_id)
            if Comparison.objects.get(pk=assignment.comparison_id).state == "adjudicated":
                assert outcome.code == "adjudicated"
            else:
                self.accept(outcome, assignment, answer)

    @rule(pick=PICKS, labeller=LABELLERS)
    def rate_what_is_anothers(self, pick: int, labeller: int) -> None:
        others = self.assignments(AssignmentState.LEASED, AssignmentState.EXPIRED)
        others = [one for one in others if one.labeller_id != self.world.labellers[labeller].pk]
        if others:
            assignment = others[pick % len(others)]
            assignment.labeller = self.world.labellers[labeller]  # not saved: only who sends it
            outcome = self.submit(assignment, "a", uuid4())
            assert (outcome.status, outcome.code) == ("rejected", "not_found")

    @rule(pick=PICKS)
    def skip(self, pick: int) -> None:
        mine = self.assignments(AssignmentState.LEASED, AssignmentState.EXPIRED, AssignmentState.SUBMITTED)
        if not mine:
            return
        assignment = mine[pick % len(mine)]
        seat = self.seat(assignment.labeller)
        if assignment.state == AssignmentState.SUBMITTED:
            with pytest.raises(DomainError, match="can no longer be skipped"):
                queue.skip(seat=seat, assignment_id=assignment.pk, reason="not my field")
        else:
            queue.skip(seat=seat, assignment_id=assignment.pk, reason="not my field")
            self.done.add((assignment.labeller_id, assignment.comparison_id))

    @rule(pick=PICKS, kind=st.sampled_from([FlagKind.BROKEN, FlagKind.OTHER]))
    def flag(self, pick: int, kind: FlagKind) -> None:
        mine = self.assignments(AssignmentState.LEASED, AssignmentState.SUBMITTED)
        if mine:
            assignment = mine[pick % len(mine)]
            ratings.flag(seat=self.seat(assignment.labeller), assignment_id=assignment.pk, kind=kind, note="")
            self.done.add((assignment.labeller_id, assignment.comparison_id))

    # --- what happens to them ---------------------------------------------------------------------------------------
    @rule(pick=PICKS)
    def expire(self, pick: int) -> None:
        held = self.assignments(AssignmentState.LEASED)
        if held:
            past = timezone.now() - timedelta(seconds=1)
            Assignment.objects.filter(pk=held[pick % len(held)].pk).update(lease_until=past)

    @rule()
    def take_back(self) -> None:
        queue.take_back_expired_leases()
        assert not Assignment.objects.filter(state=AssignmentState.LEASED, lease_until__lt=timezone.now()).exists()

    @rule(labeller=LABELLERS)
    def pause(self, labeller: int) -> None:
        pause_member(membership=self.membership(labeller), actor=None, reason="gold answers")

    @rule(labeller=LABELLERS)
    def resume(self, labeller: int) -> None:
        resume_member(membership=self.membership(labeller), actor=None)

    @rule(pick=PICKS, answer=ANSWERS)
    def make_gold(self, pick: int, answer: str) -> None:
        comparison = self._comparison(pick)
        verdict = comparison.adjudications.order_by("-id").values_list("verdict", flat=True).first()
        if verdict in (None, "reopened", answer):
            intensity = None if answer == "tie" else 2
            self._set_gold(comparison, answer, intensity)
            self.gold.add(comparison.pk)

    @rule(pick=PICKS)
    def make_ordinary(self, pick: int) -> None:
        comparison = self._comparison(pick)
        if comparison.gold_preferred is not None:
            self._set_gold(comparison, None, None)

    @rule(pick=PICKS)
    def adjudicate(self, pick: int) -> None:
        comparison = self._comparison(pick)
        if comparison.n_ratings >= MINIMUM and comparison.gold_preferred is None:
            ratings.adjudicate(
                project=self.world.project,
                reviewer=self.world.reviewer,
                comparison_id=comparison.pk,
                verdict="tie",
                intensity=None,
                note="",
            )

    @rule(pick=PICKS, n_more=st.integers(1, 2))
    def reopen(self, pick: int, n_more: int) -> None:
        comparison = self._comparison(pick)
        if comparison.gold_preferred is None:
            reopened = ratings.reopen(
                project=self.world.project,
                reviewer=self.world.reviewer,
                comparison_id=comparison.pk,
                n_more=n_more,
                reason="Look again.",
            )
            assert reopened.state == "open"
            assert reopened.n_wanted >= comparison.n_ratings + n_more

    def _comparison(self, pick: int) -> Comparison:
        return Comparison.objects.filter(project=self.world.project).order_by("id")[pick % N_COMPARISONS]

    def _set_gold(self, comparison: Comparison, preferred: str | None, intensity: int | None) -> None:
        ratings.set_gold(
            project=self.world.project,
            reviewer=self.world.reviewer,
            comparison_id=comparison.pk,
            preferred=preferred,
            intensity=intensity,
        )

    # --- what holds after every step --------------------------------------------------------------------------------
    @invariant()
    def no_rule_is_broken(self) -> None:
        with connection.cursor() as cursor:
            assert broken_rules(cursor, self.world.project.pk) == {}

    @invariant()
    def what_was_acknowledged_is_there_and_nothing_else(self) -> None:
        stored = dict(Rating.objects.filter(project=self.world.project).values_list("client_id", "id"))
        assert stored == {client_id: rating for client_id, (rating, _, _) in self.accepted.items()}

    @invariant()
    def places_run_no_further_than_the_project_allows(self) -> None:
        """A late rating may add a place, a reviewer may ask for more, and gold has one for everybody."""
        live = (AssignmentState.LEASED, AssignmentState.SUBMITTED)
        places = Assignment.objects.filter(comparison__project=self.world.project, state__in=live)
        rows = places.exclude(place=None).values_list("comparison_id", "place", "comparison__n_required")
        for comparison_id, place, n_required in rows:
            if comparison_id not in self.gold:
                assert place < max(MAXIMUM, n_required) + self.n_late.get(comparison_id, 0)


@pytest.fixture
def world(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> World:
    """A small project where much happens: gold and repeats are common, and a pair may come back after one other."""
    monkeypatch.setattr(queue, "_dice", random.Random())
    monkeypatch.setattr(queue, "REPEAT_AFTER", 1)
    cast.project.min_ratings, cast.project.max_ratings = MINIMUM, MAXIMUM
    cast.project.gold_rate = cast.project.repeat_rate = 0.25
    cast.project.gold_floor, cast.project.gold_window = 0.5, 2
    cast.project.full_clean()
    cast.project.save()
    labellers = [make_user(f"number {number}") for number in range(N_LABELLERS)]
    for user in labellers:
        Membership.objects.create(project=cast.project, user=user, role=Role.LABELLER)
    make_comparisons(cast.project, N_COMPARISONS)
    return World(cast.project, labellers, cast.reviewer)


def test_the_queue_holds_whatever_happens(world: World) -> None:
    machine: Callable[[], Queue] = lambda: Queue(world)  # noqa: E731
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=bool(os.environ.get("CI")),
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
