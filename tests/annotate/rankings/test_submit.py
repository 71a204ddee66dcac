"""A ranking is stored once, with a rating of each of its pairs that says the same, or refused with a reason."""

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import combinations
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.agreement.services import mark_stale
from annotate.comparisons.models import Assignment, AssignmentKind, Comparison
from annotate.comparisons.services import add_comparisons
from annotate.comparisons.services import lease as lease_pairs
from annotate.guidelines.models import QualificationAttempt
from annotate.guidelines.services import publish_guidelines
from annotate.rankings import services
from annotate.rankings.models import Ranking, RankingAnswer, RankingAssignment
from annotate.rankings.services import Order, preferences
from annotate.ratings import services as ratings
from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted
from annotate.ratings.services import Judgement, purge
from tests.annotate.rankings.conftest import make_rankings
from tests.cast import Cast

Make = Callable[..., list[Ranking]]
STRICT = [[0], [1], [2], [3]]


@pytest.fixture
def leased(cast: Cast, rankings: Make) -> RankingAssignment:
    rankings(1)
    return services.lease(seat=cast.seat(cast.labeller), n=1)[0]


def submit(cast: Cast, leased: RankingAssignment, tiers=STRICT, user=None, **fields) -> services.Outcome:
    order = Order(fields.pop("client_id", None) or uuid4(), leased.pk, tiers, **fields)
    return services.submit(seat=cast.seat(user or cast.labeller), orders=[order])[0]


def assert_counts_are_true() -> None:
    for comparison in Comparison.objects.all():
        said = list(counted(comparison.ratings.all()).values_list("preferred", flat=True))
        assert [comparison.n_a, comparison.n_b, comparison.n_ties] == [said.count(x) for x in ("a", "b", "tie")]


# --- what a ranking says of its pairs ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ([[1], [2], [3]], {(1, 2): "a", (1, 3): "a", (2, 3): "a"}),
        ([[3], [2], [1]], {(1, 2): "b", (1, 3): "b", (2, 3): "b"}),
        ([[2], [1, 3]], {(1, 2): "b", (1, 3): "tie", (2, 3): "a"}),
        ([[3, 1], [2]], {(1, 2): "a", (1, 3): "tie", (2, 3): "b"}),
        ([[2, 3, 1]], {(1, 2): "tie", (1, 3): "tie", (2, 3): "tie"}),
        (
            [[7], [5, 9], [6]],
            {(5, 6): "a", (5, 7): "b", (5, 9): "tie", (6, 7): "b", (6, 9): "b", (7, 9): "a"},
        ),
    ],
)
def test_tiers_become_preferences(tiers: list[list[int]], said: dict) -> None:
    assert preferences(tiers) == said


def test_turning_a_ranking_round_turns_every_preference() -> None:
    tiers = [[4, 9], [1], [2, 3], [8]]
    swapped = {"a": "b", "b": "a", "tie": "tie"}
    assert preferences(tiers[::-1]) == {pair: swapped[said] for pair, said in preferences(tiers).items()}


@pytest.mark.parametrize("size", range(3, 10))
def test_it_stores_a_rating_of_every_pair(cast: Cast, rankings: Make, size: int) -> None:
    """With the screen's order: position p on the screen comes p-th, so lower positions are preferred."""
    rankings(1, size=size)
    (lease,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    outcome = submit(cast, lease, [[position] for position in range(size)])
    assert outcome.status == "accepted"
    assert Rating.objects.count() == size * (size - 1) // 2
    stored = {
        (rating.comparison.a_id, rating.comparison.b_id): rating.preferred
        for rating in Rating.objects.select_related("comparison")
    }
    expected = {
        (min(x, y), max(x, y)): "a" if x < y else "b" for x, y in combinations(lease.order, 2)
    }  # x comes before y on the screen, so it is the better one
    assert stored == expected
    assert_counts_are_true()


def test_the_ranking_is_kept_with_its_ties(cast: Cast, leased: RankingAssignment) -> None:
    client_id = uuid4()
    outcome = submit(
        cast, leased, [[3], [0, 2], [1]], client_id=client_id, justification="The last is rude.", active_ms=60_001
    )
    answer = RankingAnswer.objects.get(client_id=client_id)
    assert answer.pk == outcome.answer_id
    order = leased.order
    assert answer.tiers == [[order[3]], [order[0], order[2]], [order[1]]]
    assert (answer.justification, answer.active_ms, answer.client_id) == ("The last is rude.", 60_001, client_id)
    stored = Rating.objects.filter(ranking_id=client_id)
    assert stored.count() == 6
    assert stored.filter(preferred="tie").count() == 1
    assert set(stored.values_list("intensity", "origin", "labeller")) == {(None, "labeller", cast.labeller.pk)}
    assert sum(stored.values_list("active_ms", flat=True)) == 60_001, "times add up"


def test_its_assignments_say_which_side_stood_first(cast: Cast, leased: RankingAssignment) -> None:
    submit(cast, leased)
    for rating in Rating.objects.select_related("assignment", "comparison"):
        assignment, comparison = rating.assignment, rating.comparison
        a_is_first = leased.order.index(comparison.a_id) < leased.order.index(comparison.b_id)
        assert assignment.first == ("a" if a_is_first else "b") == rating.preferred
        assert (assignment.kind, assignment.state, assignment.place) == ("ranking", "submitted", None)
    assert Assignment.objects.count() == 6


def test_it_pins_the_guidelines_it_was_made_under(cast: Cast, rankings: Make) -> None:
    rankings(1)
    version = publish_guidelines(project=cast.project, author=cast.owner, body="Prefer the true one.", examples=[])
    QualificationAttempt.objects.create(labeller=cast.labeller, version=version, passed=True)
    (lease,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    submit(cast, lease)
    assert RankingAnswer.objects.get().guideline_version == version
    assert set(Rating.objects.values_list("guideline_version", flat=True)) == {version.pk}


def test_it_takes_as_many_queries_for_nine_as_for_three(cast: Cast) -> None:
    def queries(size: int) -> int:
        make_rankings(cast.project, 1, size, priority=size)
        (lease,) = services.lease(seat=cast.seat(cast.labeller), n=1)
        with CaptureQueriesContext(connection) as captured:
            assert submit(cast, lease, [[position] for position in range(size)]).status == "accepted"
        return len(captured)

    mark_stale(project_id=cast.project.pk)  # makes the snapshot's row, once in a project's life
    assert queries(3) == queries(9) < 30


# --- once ---------------------------------------------------------------------------------------------------------
def test_it_stores_a_ranking_sent_twice_once(cast: Cast, leased: RankingAssignment) -> None:
    client_id = uuid4()
    first, second = (submit(cast, leased, client_id=client_id) for _ in range(2))
    assert (first.status, second.status) == ("accepted", "duplicate")
    assert first.answer_id == second.answer_id
    assert (RankingAnswer.objects.count(), Rating.objects.count()) == (1, 6)


def test_it_refuses_a_second_ranking_of_one_assignment(cast: Cast, leased: RankingAssignment) -> None:
    submit(cast, leased)
    outcome = submit(cast, leased, [[3], [2], [1], [0]])
    assert (outcome.status, outcome.code) == ("rejected", "already_ranked")


def test_it_refuses_somebody_elses_client_id(cast: Cast, leased: RankingAssignment) -> None:
    client_id = uuid4()
    submit(cast, leased, client_id=client_id)
    (other,) = services.lease(seat=cast.seat(cast.second_labeller), n=1)
    outcome = submit(cast, other, user=cast.second_labeller, client_id=client_id)
    assert (outcome.status, outcome.code) == ("rejected", "client_id_taken")


@pytest.mark.django_db(transaction=True)
def test_it_stores_a_ranking_sent_twice_at_once_once(cast: Cast) -> None:
    make_rankings(cast.project, 1)
    (lease,) = services.lease(seat=cast.seat(cast.labeller), n=1)
    client_id = uuid4()
    outcomes: list = []
    ready = threading.Barrier(6)

    def send() -> None:
        try:
            ready.wait()
            outcomes.append(submit(cast, lease, client_id=client_id))
        except BaseException as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.status for outcome in outcomes) == ["accepted"] + ["duplicate"] * 5
    assert len({outcome.answer_id for outcome in outcomes}) == 1
    assert (RankingAnswer.objects.count(), Rating.objects.count()) == (1, 6)
    assert_counts_are_true()


@pytest.mark.django_db(transaction=True)
def test_labellers_who_rank_the_same_at_once_share_its_comparisons(cast: Cast) -> None:
    make_rankings(cast.project, 1, 9)
    people = [cast.labeller, cast.second_labeller, cast.reviewer]
    leases = {user: services.lease(seat=cast.seat(user), n=1)[0] for user in people}
    outcomes: list = []
    ready = threading.Barrier(3)

    def send(user) -> None:
        try:
            ready.wait()
            outcomes.append(submit(cast, leases[user], [[position] for position in range(9)], user=user))
        except BaseException as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.status for outcome in outcomes] == ["accepted"] * 3, outcomes
    assert Comparison.objects.count() == 36
    assert set(Comparison.objects.values_list("n_ratings", "n_taken")) == {(3, 3)}
    assert_counts_are_true()


# --- refused ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "tiers",
    [
        [],
        [[0], [1], [2]],
        [[0], [1], [2], [3], [4]],
        [[0], [1], [2], [2]],
        [[0], [1], [2], [3], []],
        [[0, 1, 2, 3, 3]],
        [[1], [2], [3], [4]],
    ],
)
def test_it_refuses_what_is_no_ranking(cast: Cast, leased: RankingAssignment, tiers: list[list[int]]) -> None:
    outcome = submit(cast, leased, tiers)
    assert (outcome.status, outcome.code) == ("rejected", "not_a_ranking")
    assert Rating.objects.count() == 0


def test_it_refuses_ties_where_they_are_not_allowed(cast: Cast, leased: RankingAssignment) -> None:
    cast.project.ties_allowed = False
    assert submit(cast, leased, [[0, 1], [2], [3]]).code == "ties_not_allowed"
    assert submit(cast, leased).status == "accepted"


def test_it_asks_for_a_reason_where_the_project_does(cast: Cast, leased: RankingAssignment) -> None:
    cast.project.justification_min_length = 10
    assert submit(cast, leased, justification="Short.").code == "justification_too_short"
    assert submit(cast, leased, justification="The first one is right.").status == "accepted"


def test_it_refuses_what_was_skipped(cast: Cast, leased: RankingAssignment) -> None:
    services.skip(seat=cast.seat(cast.labeller), assignment_id=leased.pk, reason="x")
    assert submit(cast, leased).code == "skipped"


def test_it_knows_no_assignment_of_somebody_else(cast: Cast, leased: RankingAssignment) -> None:
    outcome = submit(cast, leased, user=cast.second_labeller)
    assert (outcome.status, outcome.code) == ("rejected", "not_found")


def test_it_keeps_the_good_ones_of_a_batch(cast: Cast, rankings: Make) -> None:
    rankings(2)
    seat = cast.seat(cast.labeller)
    good, bad = services.lease(seat=seat, n=2)
    outcomes = services.submit(seat=seat, orders=[Order(uuid4(), bad.pk, [[0]]), Order(uuid4(), good.pk, STRICT)])
    assert [outcome.status for outcome in outcomes] == ["rejected", "accepted"]
    assert RankingAnswer.objects.count() == 1


# --- the rest of the world -----------------------------------------------------------------------------------------
def test_it_takes_a_ranking_that_comes_after_the_lease_ran_out(cast: Cast, leased: RankingAssignment) -> None:
    RankingAssignment.objects.filter(pk=leased.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    services.take_back_expired()
    for user in (cast.second_labeller, cast.reviewer, cast.researcher):
        (lease,) = services.lease(seat=cast.seat(user), n=1)
        submit(cast, lease, user=user)
    assert submit(cast, leased).status == "accepted"
    ranking = Ranking.objects.get()
    assert (ranking.n_taken, ranking.state) == (4, "complete")
    assert set(Comparison.objects.values_list("n_ratings", flat=True)) == {4}


def test_it_completes_a_ranking_when_it_has_its_answers(cast: Cast, rankings: Make) -> None:
    (ranking,) = rankings(1)
    for n, user in enumerate((cast.labeller, cast.second_labeller, cast.reviewer), start=1):
        (lease,) = services.lease(seat=cast.seat(user), n=1)
        submit(cast, lease, user=user)
        ranking.refresh_from_db()
        assert ranking.state == ("complete" if n == ranking.n_wanted else "open")
    assert services.lease(seat=cast.seat(cast.researcher), n=1) == []


def test_an_earlier_rating_of_a_pair_is_superseded(cast: Cast, leased: RankingAssignment) -> None:
    """The labeller rated one of the pairs by itself before, the other way round: they count once."""
    worse, better = leased.order[3], leased.order[0]
    add_comparisons(project=cast.project, pairs=[(leased.ranking.prompt_id, worse, better)])
    seat = cast.seat(cast.labeller)
    (pair,) = lease_pairs(seat=seat, n=1)
    said = "first" if (pair.first == "a") == (worse < better) else "second"
    ratings.submit(seat=seat, judgements=[Judgement(uuid4(), pair.pk, said, 4)])
    before = Rating.objects.get()
    assert submit(cast, leased).status == "accepted"
    assert Rating.objects.count() == 7
    after = Rating.objects.get(supersedes=before)
    assert (before.preferred, after.preferred) in [("a", "b"), ("b", "a")]
    assert (after.assignment_id, after.assignment.kind) == (before.assignment_id, AssignmentKind.REGULAR)
    comparison = Comparison.objects.get(pk=before.comparison_id)
    assert (comparison.n_ratings, comparison.n_taken, comparison.state) == (1, 1, "open")
    assert_counts_are_true()


@pytest.mark.parametrize("let_go", [False, True])
def test_a_pair_that_the_labeller_has_on_lease_is_settled(cast: Cast, leased: RankingAssignment, let_go: bool) -> None:
    one, two, *_ = leased.order
    add_comparisons(project=cast.project, pairs=[(leased.ranking.prompt_id, one, two)])
    seat = cast.seat(cast.labeller)
    (pair,) = lease_pairs(seat=seat, n=1)
    if let_go:
        from annotate.comparisons.services import skip

        skip(seat=seat, assignment_id=pair.pk, reason="x")
    assert submit(cast, leased).status == "accepted"
    pair.refresh_from_db()
    assert (pair.kind, pair.state, pair.place) == ("ranking", "submitted", None)
    comparison = Comparison.objects.get(pk=pair.comparison_id)
    assert (comparison.n_ratings, comparison.n_taken, comparison.state) == (1, 1, "open")
    assert lease_pairs(seat=seat, n=1) == []


def test_rankings_that_share_a_pair_count_a_labeller_once(cast: Cast, rankings: Make) -> None:
    from annotate.pool.models import CompletionSource
    from annotate.rankings.services import add_rankings
    from tests.annotate.rankings.conftest import add_completions

    (ranking,) = rankings(1, size=9)
    ranking.items.filter(position__gte=3).delete()  # as if there had been three
    Ranking.objects.filter(pk=ranking.pk).update(digest="0" * 64)
    seat = cast.seat(cast.labeller)
    (three,) = services.lease(seat=seat, n=1)
    assert submit(cast, three, [[0], [1], [2]]).status == "accepted"
    add_completions(ranking.prompt, CompletionSource.objects.get(), 1)
    add_rankings(project=cast.project, prompts=[ranking.prompt_id])
    (nine,) = services.lease(seat=seat, n=1)
    assert submit(cast, nine, [[position] for position in range(9)]).status == "accepted"
    n_shared = len(list(combinations(set(three.order) & set(nine.order), 2)))
    assert Rating.objects.count() == 3 + 36
    assert counted(Rating.objects.all()).count() == 3 + 36 - n_shared
    assert_counts_are_true()


def test_an_open_pair_counts_a_ranking_towards_what_it_wants(cast: Cast, leased: RankingAssignment) -> None:
    one, two, *_ = leased.order
    (comparison_id,) = add_comparisons(project=cast.project, pairs=[(leased.ranking.prompt_id, one, two)]).values()
    submit(cast, leased)
    for user in (cast.second_labeller, cast.reviewer):
        (lease,) = services.lease(seat=cast.seat(user), n=1)
        shown = [lease.order.index(pk) for pk in leased.order]
        submit(cast, lease, [[position] for position in shown], user=user)
    assert Comparison.objects.get(pk=comparison_id).state == "complete"


@pytest.mark.parametrize(
    "statement", ["UPDATE rankings_rankinganswer SET justification = 'x'", "DELETE FROM rankings_rankinganswer"]
)
def test_the_database_refuses_to_change_an_answer(cast: Cast, leased: RankingAssignment, statement: str) -> None:
    submit(cast, leased)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_labelled_pair_outside_of_a_ranking_still_needs_an_intensity(cast: Cast, leased: RankingAssignment) -> None:
    submit(cast, leased)
    rating = Rating.objects.first()
    rating.pk, rating.supersedes_id, rating.client_id, rating.ranking_id = None, rating.pk, uuid4(), None
    with pytest.raises(IntegrityError, match="ratings_labelled_here_have_intensity"), transaction.atomic():
        rating.save()


def test_purging_a_project_takes_its_rankings_along(cast: Cast, leased: RankingAssignment) -> None:
    submit(cast, leased)
    assert purge(project=cast.project) == {"ratings": 6}
    assert (Ranking.objects.count(), RankingAnswer.objects.count()) == (0, 0)
