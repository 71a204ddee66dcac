"""Work for labellers in any amount, the labellers' tokens, and what must hold in the database whatever they do.

`python -m tests.workload --comparisons 500 --labellers 6` makes a project in the database of the environment's settings
and prints its `Work` as JSON.
"""

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

N_COMPLETIONS = 4  # of one prompt; every pair of them is a comparison, as InstructGPT had them ranked
N_PAIRS = math.comb(N_COMPLETIONS, 2)
# Ratings that one labeller has given before; past labellers are added until everybody's history is about this long.
HISTORY = 3000


@dataclass(frozen=True)
class Work:
    """A project with comparisons to rate, and a bearer token for each of its labellers."""

    slug: str
    project_id: int
    labeller_ids: list[int]
    tokens: list[str]


# --- making it ------------------------------------------------------------------------------------------------------
def make_work(
    *, name: str, n_comparisons: int, n_labellers: int, share_done: float = 0.0, **project_fields: Any
) -> Work:
    """A project with `n_comparisons`, the oldest `share_done` of them complete with three ratings each.

    A million take about two minutes: PostgreSQL makes the rows itself. Columns that are not named here get their
    field's default, so that a new one needs no change.
    """
    from django.db import connection, transaction

    from annotate.accounts.models import User
    from annotate.accounts.services import create_api_token
    from annotate.pool.models import CompletionSource
    from annotate.projects.models import Membership, Role
    from annotate.projects.services import create_project

    n_done = int(n_comparisons * share_done)
    n_past = max(0, math.ceil(3 * n_done / HISTORY) - n_labellers)
    with transaction.atomic():
        owner = User.objects.create(email=f"owner.{name}@example.org".lower(), name="owner", is_staff=True)
        project = create_project(owner=owner, name=name, ties_allowed=True, **project_fields)
        people = User.objects.bulk_create(
            User(email=f"labeller.{number}.{name}@example.org".lower(), name=f"labeller {number}")
            for number in range(n_labellers + n_past)
        )
        Membership.objects.bulk_create(Membership(project=project, user=user, role=Role.LABELLER) for user in people)
        sources = CompletionSource.objects.bulk_create(
            CompletionSource(pool=project.pool, name=f"model {number}") for number in range(N_COMPLETIONS)
        )
        _make_rows(project, [source.pk for source in sources], [user.pk for user in people], n_comparisons, n_done)
    workers = people[:n_labellers]
    tokens = [create_api_token(user=user, name="workload", expires_in_days=1)[1] for user in workers]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")  # what autovacuum does in the minutes after; it would come amid the work
        cursor.execute("CHECKPOINT")
    return Work(project.slug, project.pk, [user.pk for user in workers], tokens)


def _make_rows(project: Any, sources: list[int], people: list[int], n_comparisons: int, n_done: int) -> None:
    from annotate.comparisons.models import Assignment, Comparison
    from annotate.pool.models import Completion, Prompt
    from annotate.ratings.models import Rating

    n_prompts = math.ceil(n_comparisons / N_PAIRS)
    # 30 words of a question, 100 words of an answer.
    _insert(
        Prompt,
        "FROM generate_series(1, %(n)s) i, LATERAL (SELECT concat_ws(' ', 'Question', i, 'of', %(slug)s::text,"
        " repeat('and what about ' || i || ' ', 6)) AS text) q",
        {
            "pool": "%(pool)s",
            "messages": "jsonb_build_array(jsonb_build_object('role', 'user', 'content', q.text))",
            "digest": "encode(sha256(convert_to(q.text, 'UTF8')), 'hex')",
            "excerpt": "left(q.text, 200)",
        },
        {"n": n_prompts, "pool": project.pool_id, "slug": project.slug},
    )
    _insert(
        Completion,
        "FROM pool_prompt p, generate_series(1, %(k)s) k, LATERAL (SELECT concat_ws(' ', 'Answer', k, 'to', p.excerpt,"
        " repeat('which says this and that ' || k || ' ', 14)) AS text) c WHERE p.pool_id = %(pool)s ORDER BY p.id, k",
        {
            "prompt": "p.id",
            "source": "(%(sources)s::bigint[])[k]",
            "text": "c.text",
            "digest": "encode(sha256(convert_to(c.text, 'UTF8')), 'hex')",
        },
        {"k": N_COMPLETIONS, "pool": project.pool_id, "sources": sources},
    )
    _insert(
        Comparison,
        "FROM (SELECT a.prompt_id AS prompt, a.id AS a, b.id AS b, row_number() OVER (ORDER BY a.id, b.id) <= %(done)s"
        " AS is_done FROM pool_completion a JOIN pool_completion b ON b.prompt_id = a.prompt_id AND a.id < b.id"
        " JOIN pool_prompt p ON p.id = a.prompt_id WHERE p.pool_id = %(pool)s ORDER BY a.id, b.id LIMIT %(n)s) r",
        {
            "project": "%(project)s",
            **{name: f"r.{name}" for name in ("prompt", "a", "b")},
            "state": "CASE WHEN is_done THEN 'complete' ELSE 'open' END",
            "n_wanted": "CASE WHEN is_done THEN 3 ELSE %(minimum)s END",
            "n_taken": "CASE WHEN is_done THEN 3 ELSE 0 END",
            "n_a": "CASE WHEN is_done THEN 3 ELSE 0 END",
        },
        {
            "project": project.pk,
            "pool": project.pool_id,
            "n": n_comparisons,
            "done": n_done,
            "minimum": project.min_ratings,
        },
    )
    if not n_done:
        return
    _insert(
        Assignment,
        "FROM (SELECT id, row_number() OVER (ORDER BY id) AS i FROM comparisons_comparison"
        " WHERE project_id = %(project)s AND state = 'complete') c, generate_series(0, 2) k ORDER BY c.id, k",
        {
            "comparison": "c.id",
            # Three in a row round the table, so that nobody rates one comparison twice.
            "labeller": "(%(people)s::bigint[])[(c.i * 3 + k) %% array_length(%(people)s::bigint[], 1) + 1]",
            "state": "'submitted'",
            "place": "k",
            "first": "CASE WHEN (c.i + k) %% 2 = 0 THEN 'a' ELSE 'b' END",
            "lease_until": "now()",
        },
        {"project": project.pk, "people": people},
    )
    _insert(
        Rating,
        "FROM comparisons_assignment s JOIN comparisons_comparison c ON c.id = s.comparison_id"
        " WHERE c.project_id = %(project)s ORDER BY s.id",
        {
            "comparison": "c.id",
            "assignment": "s.id",
            "labeller": "s.labeller_id",
            "project": "%(project)s",
            "preferred": "'a'",
            "intensity": "2",
            "client_id": "gen_random_uuid()",
            "created_at": "now() - interval '2 days'",
        },
        {"project": project.pk},
    )


def _insert(model: Any, source: str, columns: dict[str, str], parameters: dict[str, Any]) -> None:
    """INSERT … SELECT with the fields' defaults for every column that `columns` (SQL by field name) leaves out."""
    from django.db import connection
    from django.utils import timezone

    values = dict(parameters)
    expressions = {}
    for field in model._meta.concrete_fields:
        if field.primary_key or field.generated:
            continue
        column = f'"{field.column}"'
        if field.name in columns:
            expressions[column] = columns[field.name]
        elif getattr(field, "auto_now_add", False):
            expressions[column] = "%(now)s"
        else:
            values[f"default_{field.name}"] = field.get_db_prep_save(field.get_default(), connection)
            expressions[column] = f"%(default_{field.name})s::{field.db_type(connection)}"
    values["now"] = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(expressions)}) "
            f"SELECT {', '.join(expressions.values())} {source}",
            values,
        )


# --- what must hold -------------------------------------------------------------------------------------------------
class Cursor(Protocol):
    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


_LIVE = "s.state IN ('leased', 'submitted') AND s.kind IN ('regular', 'gold')"
# Each query finds the rows that break the rule it is named by. Gold is outside the queue: it wants everybody.
RULES = {
    "n_taken is the number of live assignments": """
        SELECT c.id, c.n_taken, count(s.id) FROM comparisons_comparison c
        LEFT JOIN comparisons_assignment s
          ON s.comparison_id = c.id AND s.state IN ('leased', 'submitted') AND s.kind <> 'repeat'
        WHERE c.project_id = %(project)s GROUP BY c.id HAVING c.n_taken <> count(s.id)""",
    "live assignments have places of their own": f"""
        SELECT s.comparison_id, s.place, count(*) FROM comparisons_assignment s
        JOIN comparisons_comparison c ON c.id = s.comparison_id
        WHERE c.project_id = %(project)s AND {_LIVE} GROUP BY 1, 2 HAVING count(*) > 1 OR s.place IS NULL""",
    "counts are those of the current ratings": """
        SELECT c.id, c.n_a, c.n_b, c.n_ties, r.* FROM comparisons_comparison c, LATERAL (
            SELECT count(*) FILTER (WHERE r.preferred = 'a') AS a, count(*) FILTER (WHERE r.preferred = 'b') AS b,
                   count(*) FILTER (WHERE r.preferred = 'tie') AS ties
            FROM ratings_rating r JOIN comparisons_assignment s ON s.id = r.assignment_id
            WHERE r.comparison_id = c.id AND s.kind <> 'repeat'
              AND NOT EXISTS (SELECT FROM ratings_rating later WHERE later.supersedes_id = r.id)) r
        WHERE c.project_id = %(project)s AND (c.n_a, c.n_b, c.n_ties) <> (r.a, r.b, r.ties)""",
    "a comparison is open exactly while it wants more": """
        SELECT id, state, n_ratings, n_wanted FROM comparisons_comparison
        WHERE project_id = %(project)s AND gold_preferred IS NULL AND state IN ('open', 'complete')
          AND (state = 'open') <> (n_ratings < n_wanted)""",
    "what is submitted has its rating, and nothing else has": """
        SELECT s.id, s.state, count(r.id) FROM comparisons_assignment s
        JOIN comparisons_comparison c ON c.id = s.comparison_id
        LEFT JOIN ratings_rating r ON r.assignment_id = s.id AND r.supersedes_id IS NULL
        WHERE c.project_id = %(project)s GROUP BY s.id
        HAVING count(r.id) <> CASE WHEN s.state = 'submitted' THEN 1 ELSE 0 END""",
    "nobody rates a comparison twice, repeats apart": """
        SELECT r.comparison_id, r.labeller_id, count(*) FROM ratings_rating r
        JOIN comparisons_assignment s ON s.id = r.assignment_id
        WHERE r.project_id = %(project)s AND r.supersedes_id IS NULL AND s.kind <> 'repeat'
        GROUP BY 1, 2 HAVING count(*) > 1""",
}
# Where no rating comes after its lease has run out, which may take an additional place.
OVER_ASSIGNED = f"""
    SELECT c.id, c.n_wanted, count(*) FROM comparisons_comparison c
    JOIN comparisons_assignment s ON s.comparison_id = c.id AND {_LIVE}
    WHERE c.project_id = %(project)s AND c.gold_preferred IS NULL GROUP BY c.id HAVING count(*) > c.n_wanted"""


def broken_rules(cursor: Cursor, project_id: int, *, none_late: bool = False) -> dict[str, list[Any]]:
    """Every rule that does not hold in the project, with the first rows that break it. Empty is good."""
    rules = {**RULES, **({"no comparison has more live assignments than it wants": OVER_ASSIGNED} if none_late else {})}
    broken = {}
    for name, query in rules.items():
        cursor.execute(f"{query} LIMIT 5", {"project": project_id})
        if rows := cursor.fetchall():
            broken[name] = rows
    return broken


def not_stored_once(cursor: Cursor, acknowledged: Iterable[str]) -> list[tuple[str, int]]:
    """Of the client_ids that the server has acknowledged, those that are not in exactly one rating."""
    cursor.execute(
        "SELECT given.id::text, count(r.id) FROM unnest(%s::uuid[]) AS given(id)"
        " LEFT JOIN ratings_rating r ON r.client_id = given.id GROUP BY given.id HAVING count(r.id) <> 1",
        [list(acknowledged)],
    )
    return cursor.fetchall()


if __name__ == "__main__":
    import django

    django.setup()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--name", default="work")
    parser.add_argument("--comparisons", type=int, default=500)
    parser.add_argument("--labellers", type=int, default=6)
    parser.add_argument("--share-done", type=float, default=0.0)
    given = parser.parse_args()
    made = make_work(
        name=given.name, n_comparisons=given.comparisons, n_labellers=given.labellers, share_done=given.share_done
    )
    print(json.dumps(asdict(made)))
