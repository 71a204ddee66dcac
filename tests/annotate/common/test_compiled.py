"""A query whose SQL is kept answers as the queryset does."""

import pytest
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.test.utils import CaptureQueriesContext

from annotate.common.compiled import Compiled, prepared
from annotate.comparisons.models import Assignment, Comparison
from annotate.projects.models import Membership
from tests.cast import Cast, make_comparisons


def test_it_gives_instances_with_what_is_related(cast: Cast) -> None:
    find: Compiled[Membership] = Compiled(
        lambda user, slug: Membership.objects.select_related("project__pool").filter(user=user, project__slug=slug),
        int,
        str,
    )
    (expected,) = Membership.objects.select_related("project__pool").filter(user=cast.labeller)
    with CaptureQueriesContext(connection) as queries:
        found = find.first(cast.labeller.pk, cast.project.slug)
        assert found == expected
        assert {key: value for key, value in vars(found).items() if key != "_state"} == {
            key: value for key, value in vars(expected).items() if key != "_state"
        }
        assert found.project.intensity_labels == expected.project.intensity_labels
        assert found.project.pool == cast.project.pool
    assert len(queries) == 1


def test_its_values_are_those_of_the_call(cast: Cast) -> None:
    find: Compiled[Membership] = Compiled(lambda user: Membership.objects.filter(user=user), int)
    members = [cast.labeller, cast.reviewer, cast.outsider]
    assert [[row.user_id for row in find(user.pk)] for user in members] == [[cast.labeller.pk], [cast.reviewer.pk], []]
    assert find.first(cast.outsider.pk) is None


def test_it_gives_tuples_where_the_queryset_does(cast: Cast) -> None:
    comparisons = make_comparisons(cast.project, 3)
    theirs = Assignment.objects.filter(comparison=OuterRef("pk"), labeller=cast.labeller)
    find: Compiled[tuple[int, str]] = Compiled(
        lambda project: (
            Comparison.objects.filter(~Exists(theirs), project=project)
            .order_by("-id")
            .values_list("id", "prompt__messages")[:2]
        ),
        int,
    )
    newest = sorted(comparisons, key=lambda comparison: -comparison.pk)[:2]
    assert [tuple(row) for row in find(cast.project.pk)] == [(one.pk, one.prompt.messages) for one in newest]


def test_it_keeps_constants_as_they_are(cast: Cast) -> None:
    Membership.objects.filter(user=cast.labeller).update(pause_reason="50 % 'right' %s", paused_at="2026-01-01T00:00Z")
    find: Compiled[Membership] = Compiled(
        lambda user: Membership.objects.filter(user=user, pause_reason="50 % 'right' %s"), int
    )
    assert find.first(cast.labeller.pk) is not None
    assert find.first(cast.reviewer.pk) is None


def test_it_refuses_a_value_that_the_query_does_not_ask_for(cast: Cast) -> None:
    forgets: Compiled[Membership] = Compiled(lambda user: Membership.objects.all(), int)
    with pytest.raises(ValueError, match="not found again"):
        forgets(cast.labeller.pk)


def test_it_locks(cast: Cast) -> None:
    find: Compiled[Membership] = Compiled(lambda user: Membership.objects.filter(user=user).select_for_update(), int)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert find.first(cast.labeller.pk) is not None
        assert queries[0]["sql"].endswith("FOR UPDATE")


def test_a_prepared_statement_is_planned_once(cast: Cast) -> None:
    """PostgreSQL's own list of the session's prepared statements."""
    statement = "SELECT %s::bigint + 41 AS planned_once"
    for value in (1, 2):
        with prepared() as cursor:
            cursor.execute(statement, [value])
            assert cursor.fetchone() == (value + 41,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%planned_once'")
        assert cursor.fetchone() == (1,)
