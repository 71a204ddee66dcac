"""Gold, repeats, pauses, and what a labeller is not to see."""

from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest
from django.core import mail

from annotate.common.errors import DomainError
from annotate.comparisons import services
from annotate.comparisons.models import Assignment, AssignmentKind, Comparison, ComparisonState
from annotate.pool.models import Completion, Prompt
from annotate.projects.models import Membership
from annotate.projects.services import pause_member, resume_member, update_project
from annotate.projects.tasks import tell_of_pause
from annotate.ratings.models import FlagKind, Rating
from annotate.ratings.selectors import counted, labeller_progress
from annotate.ratings.services import Judgement, adjudicate, flag, set_gold, submit
from tests.cast import Cast

Make = Callable[..., list[Comparison]]


def rate(cast: Cast, lease: Assignment, stored: str = "a") -> None:
    shown = "first" if lease.first == stored else "second"
    (outcome,) = submit(seat=cast.seat(lease.labeller), judgements=[Judgement(uuid4(), lease.pk, shown, 2)])
    assert outcome.status == "accepted"


def membership(cast: Cast) -> Membership:
    return Membership.objects.get(project=cast.project, user=cast.labeller)


def make_gold(cast: Cast, comparisons: list[Comparison], preferred: str = "a") -> None:
    for comparison in comparisons:
        set_gold(
            project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, preferred=preferred, intensity=2
        )


def work(cast: Cast, n: int, stored: str = "a") -> list[Assignment]:
    """Lease and rate until n are done or nothing is left; what was done, in order."""
    done: list[Assignment] = []
    while len(done) < n and (leases := services.lease(seat=cast.seat(cast.labeller), n=min(5, n - len(done)))):
        for lease in leases:
            rate(cast, lease, stored)
            done.append(lease)
    return done


# --- gold -----------------------------------------------------------------------------------------------------------
def test_gold_is_mixed_in_at_the_projects_rate_and_given_to_everybody_once(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.3, repeat_rate=0)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(40))
    comparisons(120)
    done = work(cast, 100)
    gold = [lease for lease in done if lease.kind == AssignmentKind.GOLD]
    assert 15 <= len(gold) <= 40  # a binomial of 100 and 0.3, capped at the 40 there are; beyond 3.4 deviations else
    assert len({lease.comparison_id for lease in done}) == len(done)
    assert Comparison.objects.filter(gold_preferred="a", state=ComparisonState.CLOSED).count() == 40
    assert services.lease(seat=cast.seat(cast.second_labeller), n=20)


def test_gold_looks_like_any_other_pair(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5, repeat_rate=0)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(20))
    comparisons(20)
    body = (
        cast.client(cast.labeller).post(f"/api/v1/projects/{cast.project.slug}/next", {"n": 20}, format="json").json()
    )
    assert {frozenset(shown) for shown in body["assignments"]} == {
        frozenset({"id", "prompt", "first", "second", "warnings", "lease_until"})
    }


def test_without_other_work_there_is_no_gold(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(10))
    assert all(services.lease(seat=cast.seat(cast.labeller), n=1) == [] for _ in range(20))


def test_who_gave_a_gold_answer_is_not_asked_for_it(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(5))
    comparisons(20)
    kinds = {
        user.name: {one.kind for one in services.lease(seat=cast.seat(user), n=20)}
        for user in (cast.reviewer, cast.labeller)
    }
    assert kinds == {"reviewer": {"regular"}, "labeller": {"regular", "gold"}}


def test_taking_gold_back_puts_the_comparison_into_the_queue(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    make_gold(cast, [comparison])
    set_gold(project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, preferred=None, intensity=None)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.gold_preferred) == (ComparisonState.OPEN, None)
    assert len(services.lease(seat=cast.seat(cast.labeller), n=1)) == 1


@pytest.mark.parametrize(("stored", "is_paused"), [("b", True), ("a", False)])
def test_who_misses_too_much_gold_is_paused_with_the_reason(
    cast: Cast, comparisons: Make, stored: str, is_paused: bool
) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5, repeat_rate=0, gold_floor=0.6, gold_window=5)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(15))
    comparisons(60)
    work(cast, 60, stored)
    paused = membership(cast)
    assert (paused.paused_at is not None) == is_paused
    if is_paused:
        assert paused.pause_reason.startswith("0 of your latest 5 answers")
        body = cast.client(cast.labeller).post(f"/api/v1/projects/{cast.project.slug}/next", {"n": 1}, format="json")
        assert (body.json()["assignments"], body.json()["block"]["code"]) == ([], "paused")


def test_a_resumed_labeller_starts_afresh(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5, repeat_rate=0, gold_floor=0.6, gold_window=5)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(30))
    comparisons(90)
    work(cast, 60, "b")
    resume_member(membership=membership(cast), actor=None)
    gold = Rating.objects.filter(labeller=cast.labeller, assignment__kind=AssignmentKind.GOLD)
    n_before = gold.count()
    while gold.count() < n_before + 4:
        assert work(cast, 1, "b")
    assert membership(cast).paused_at is None


def test_the_reviewers_are_told_of_a_pause(cast: Cast) -> None:
    paused = pause_member(membership=membership(cast), actor=None, reason="Two of ten.")
    assert tell_of_pause(paused.pk) == 2  # the reviewer and the owner
    assert {to for letter in mail.outbox for to in letter.to} == {cast.reviewer.email, cast.owner.email}
    assert "Two of ten." in mail.outbox[0].body


def test_a_paused_labellers_work_in_hand_still_counts(cast: Cast, comparisons: Make) -> None:
    comparisons(2)
    (lease,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    pause_member(membership=membership(cast), actor=None, reason="Enough.")
    rate(cast, lease)
    assert services.lease(seat=cast.seat(cast.labeller), n=1) == []


# --- repeats --------------------------------------------------------------------------------------------------------
def test_a_repeat_comes_later_with_the_sides_exchanged_and_counts_for_nothing_else(
    cast: Cast, comparisons: Make
) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0, repeat_rate=0.5)
    cast.project.refresh_from_db()
    comparisons(80)
    done = work(cast, 70)
    first_at = {lease.comparison_id: place for place, lease in enumerate(done) if lease.kind == AssignmentKind.REGULAR}
    sides = {lease.comparison_id: lease.first for lease in done if lease.kind == AssignmentKind.REGULAR}
    repeats = [(place, lease) for place, lease in enumerate(done) if lease.kind == AssignmentKind.REPEAT]
    assert len(repeats) >= 5
    assert len({lease.comparison_id for _, lease in repeats}) == len(repeats)
    for place, lease in repeats:
        assert place - first_at[lease.comparison_id] >= services.REPEAT_AFTER
        assert {lease.first, sides[lease.comparison_id]} == {"a", "b"}
    assert set(Comparison.objects.exclude(n_ratings=0).values_list("n_ratings", "n_taken")) == {(1, 1)}
    assert counted(Rating.objects.all()).count() == len(done) - len(repeats)


def test_an_expired_or_skipped_repeat_frees_no_place(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0, repeat_rate=0.5)
    cast.project.refresh_from_db()
    comparisons(150)
    work(cast, 60)  # leaves some to repeat, however the dice fell
    repeats: list[Assignment] = []
    while len(repeats) < 2:
        leases = services.lease(seat=cast.seat(cast.labeller), n=5)
        repeats += [lease for lease in leases if lease.kind == AssignmentKind.REPEAT]
        for lease in leases:
            services.skip(seat=cast.seat(cast.labeller), assignment_id=lease.pk, reason="tired")
    held = Comparison.objects.filter(pk__in=[lease.comparison_id for lease in repeats])
    assert set(held.values_list("n_taken", flat=True)) == {1}


# --- not for everybody ----------------------------------------------------------------------------------------------
def test_nobody_is_asked_about_what_they_wrote(cast: Cast, comparisons: Make) -> None:
    mine, other = comparisons(2)
    Completion.objects.filter(pk=mine.b_id).update(author=cast.labeller)
    given = services.lease(seat=cast.seat(cast.labeller), n=5)
    assert [lease.comparison_id for lease in given] == [other.pk]
    assert len(services.lease(seat=cast.seat(cast.second_labeller), n=5)) == 2


@pytest.fixture
def sensitive(cast: Cast, comparisons: Make) -> list[Comparison]:
    """Four comparisons: two about violence, one about self-harm, one about neither."""
    made = comparisons(4)
    update_project(project=cast.project, actor=None, sensitive_tags=["violence", "self-harm"])
    cast.project.refresh_from_db()
    for comparison, tags in zip(made, [["violence"], ["violence", "news"], ["self-harm"], ["news"]], strict=True):
        Prompt.objects.filter(pk=comparison.prompt_id).update(tags=tags)
    services.mark_sensitive(project=cast.project)
    return list(Comparison.objects.order_by("id"))


def test_sensitive_pairs_carry_their_warnings(cast: Cast, sensitive: list[Comparison]) -> None:
    assert [one.warnings for one in sensitive] == [["violence"], ["violence"], ["self-harm"], []]
    update_project(project=cast.project, actor=None, sensitive_tags=["self-harm"])
    cast.project.refresh_from_db()
    services.mark_sensitive(project=cast.project)
    assert [one.warnings for one in Comparison.objects.order_by("id")] == [[], [], ["self-harm"], []]


def test_declined_categories_are_not_given(cast: Cast, sensitive: list[Comparison]) -> None:
    address = f"/api/v1/projects/{cast.project.slug}/preferences"
    client = cast.client(cast.labeller)
    assert client.patch(address, {"declined_tags": ["violence"]}, format="json").status_code == 200
    assert client.patch(address, {"declined_tags": ["news"]}, format="json").status_code == 400
    given = services.lease(seat=cast.seat(cast.labeller), n=5)
    assert [lease.comparison_id for lease in given] == [sensitive[2].pk, sensitive[3].pk]


def test_there_is_a_cap_on_sensitive_pairs_a_day(cast: Cast, sensitive: list[Comparison]) -> None:
    update_project(project=cast.project, actor=None, sensitive_per_day=1)
    cast.project.refresh_from_db()
    seat = cast.seat(cast.labeller)
    given = [services.lease(seat=seat, n=1)[0]]
    while leases := services.lease(seat=seat, n=len(given) + 1)[len(given) :]:
        given += leases
    assert [lease.comparison_id for lease in given] == [sensitive[0].pk, sensitive[3].pk]


def test_what_a_taken_back_gold_answer_said_is_held_against_nobody(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, gold_rate=0.5, gold_floor=0.9, gold_window=2, is_gold_shown=True)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(1), preferred="b")
    comparisons(60)
    work(cast, 20)
    wrong = Comparison.objects.get(gold_preferred="b")
    assert Rating.objects.filter(comparison=wrong, preferred="a").exists()
    set_gold(project=cast.project, reviewer=cast.reviewer, comparison_id=wrong.pk, preferred=None, intensity=None)
    make_gold(cast, list(Comparison.objects.filter(n_taken=0)[:1]), preferred="a")
    work(cast, 20)
    assert Rating.objects.filter(comparison__gold_preferred="a").exists()
    assert membership(cast).paused_at is None


def test_the_shown_share_waits_until_answers_are_final(cast: Cast, comparisons: Make) -> None:
    """At once it would tell a labeller that the last pair was gold, and to go back to it."""
    update_project(project=cast.project, actor=None, gold_rate=0.5, is_gold_shown=True, grace_minutes=60)
    cast.project.refresh_from_db()
    make_gold(cast, comparisons(3))
    comparisons(30)
    work(cast, 25)
    assert Rating.objects.filter(assignment__kind="gold").count() == 3
    seat = cast.seat(cast.labeller)
    assert labeller_progress(seat)["gold"] == {"n": 0, "n_right": 0}
    update_project(project=cast.project, actor=None, grace_minutes=0)
    seat.project.refresh_from_db()
    assert labeller_progress(seat)["gold"] == {"n": 3, "n_right": 3}


def test_a_reviewer_is_not_asked_for_what_they_have_answered(cast: Cast, comparisons: Make) -> None:
    settled, gold = comparisons(2)
    seat = cast.seat(cast.reviewer)
    assert len(services.lease(seat=seat, n=5)) == 2
    adjudicate(
        project=cast.project,
        reviewer=cast.reviewer,
        comparison_id=settled.pk,
        verdict="a",
        intensity=2,
        note="",
    )
    make_gold(cast, [gold])
    assert services.lease(seat=seat, n=5) == []
    for comparison in (settled, gold):
        comparison.refresh_from_db()
        assert comparison.n_taken == 0
    set_gold(project=cast.project, reviewer=cast.reviewer, comparison_id=gold.pk, preferred=None, intensity=None)
    assert services.lease(seat=seat, n=5) == []
    assert [one.comparison_id for one in services.lease(seat=cast.seat(cast.labeller), n=5)] == [gold.pk]


def test_a_tie_is_no_known_answer_where_there_are_no_ties(cast: Cast, comparisons: Make) -> None:
    (comparison,) = comparisons(1)
    update_project(project=cast.project, actor=None, ties_allowed=False)
    cast.project.refresh_from_db()
    with pytest.raises(DomainError, match="tie"):
        make_gold(cast, [comparison], preferred="tie")


def warn(comparisons: Iterable[Comparison], tag: str) -> None:
    Comparison.objects.filter(pk__in=[one.pk for one in comparisons]).update(warnings=[tag])


def test_the_cap_holds_for_gold_and_repeats_too(cast: Cast, comparisons: Make) -> None:
    update_project(
        project=cast.project,
        actor=None,
        gold_rate=0.5,
        repeat_rate=0.4,
        sensitive_tags=["violence"],
        sensitive_per_day=3,
    )
    cast.project.refresh_from_db()
    gold = comparisons(10)
    make_gold(cast, gold)
    everything = [*gold, *comparisons(60)]
    warn(everything[5:35], "violence")
    done = work(cast, 60)
    assert sum(bool(one.comparison.warnings) for one in done) == 3
    assert {one.kind for one in done} > {"regular", "gold"}


def test_a_flagged_pair_has_been_seen(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, sensitive_tags=["violence"], sensitive_per_day=2)
    cast.project.refresh_from_db()
    warn(comparisons(4), "violence")
    seat = cast.seat(cast.labeller)
    seen = 0
    while leases := services.lease(seat=seat, n=1):
        flag(seat=seat, assignment_id=leases[0].pk, kind=FlagKind.HARMFUL, note="")
        seen += 1
    assert seen == 2


def test_what_is_declined_is_taken_back(cast: Cast, comparisons: Make) -> None:
    update_project(project=cast.project, actor=None, sensitive_tags=["violence"])
    cast.project.refresh_from_db()
    warn(comparisons(3), "violence")
    mild = comparisons(2)
    seat = cast.seat(cast.labeller)
    assert len(services.lease(seat=seat, n=5)) == 5
    path = f"/api/v1/projects/{cast.project.slug}/preferences"
    answer = cast.client(cast.labeller).patch(path, {"declined_tags": ["violence"]}, format="json")
    assert answer.json() == {"declined_tags": ["violence"]}
    assert {one.comparison_id for one in services.lease(seat=seat, n=5)} == {one.pk for one in mild}
    assert set(Comparison.objects.values_list("n_taken", flat=True)) == {0, 1}


def test_labellers_are_not_told_how_it_is_mixed(cast: Cast) -> None:
    path = f"/api/v1/projects/{cast.project.slug}"
    hidden = ("gold_rate", "repeat_rate", "gold_floor", "gold_window")
    assert {cast.client(cast.labeller).get(path).json()[name] for name in hidden} == {None}
    assert cast.client(cast.reviewer).get(path).json()["gold_rate"] == 0
