"""Whatever the spec: the preview counts what is written, by every figure that both tell."""

import random
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from annotate.pool.models import CompletionSource, Prompt
from annotate.ratings.services import adjudicate
from tests.training.judges.world import judgement, make_judge, make_run
from tests.training.ratings import labeller, rate
from training.exports.reading import comparison_rows
from training.exports.selectors import preview
from training.exports.spec import Spec
from training.judges.services import store_judgements


@pytest.fixture
def mixed(cast, comparisons):
    """Sixty comparisons with one to four ratings each, of several languages, tags, clusters and kinds of sources."""
    rng = random.Random(7)
    made = comparisons(60)
    kinds = ["sft", "early_policy", "external"]
    sources = [CompletionSource.objects.create(pool=cast.project.pool, name=f"s-{kind}", kind=kind) for kind in kinds]
    for comparison in made:
        rate(comparison, *[_answer(rng) for _ in range(rng.randint(1, 4))])
        Prompt.objects.filter(pk=comparison.prompt_id).update(
            language=rng.choice(["en", "de", ""]),
            tags=rng.sample(["code", "safety", "chat"], rng.randint(0, 2)),
            cluster=rng.choice([0, 0, 0, 1, 2, None]),
        )
        for completion in (comparison.a, comparison.b):
            completion.source = rng.choice(sources)
            completion.save(update_fields=["source"])
    for comparison, verdict in zip(made[:8], ["a", "b", "tie", "invalid"] * 2, strict=True):
        adjudicate(
            project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, verdict=verdict,
            intensity=rng.randint(1, 4) if verdict in ("a", "b") else None, note="",
        )  # fmt: skip
    # Twenty more that nobody has rated. An allowed judge has rated most of all eighty, by one principle or two.
    judge = make_judge(cast.project, allowed_at=timezone.now())
    first, second = judge.version.principles.all()
    judged = []
    for comparison in [*made, *comparisons(20)]:
        Prompt.objects.filter(pk=comparison.prompt_id, cluster=None).update(cluster=rng.choice([0, 1, None]))
        for principle, share in ((first, 0.9), (second, 0.5)):
            if rng.random() < share:
                judged.append(judgement(comparison.pk, principle.pk, rng.choice([0.1, 0.5, 0.7, 0.9])))
    store_judgements(run=make_run(judge), judgements=judged)
    return made


def _answer(rng: random.Random) -> tuple[str, int | None]:
    side = rng.choice(["a", "a", "a", "b", "b", "tie"])
    return side, None if side == "tie" else rng.randint(1, 4)


def _draw(rng: random.Random) -> dict[str, Any]:
    """A spec with about a third of the fields set."""
    offered: dict[str, list[Any]] = {
        "min_ratings": [1, 2, 3],
        "min_agreement": [0.5, 0.6, 2 / 3, 1.0],
        "low_agreement": ["hard"],
        "min_intensity": [1.5, 2, 3],
        "ties": ["soft"],
        "agreement_weighting": ["share"],
        "margins": ["large", "none"],
        "include_adjudicated": [False],
        "max_comparisons": [5, 20],
        "source_kinds": [["sft", "external"]],
        "max_source_share": [{"sft": 0.3}, {"sft": 0.5, "external": 0.4}],
        "languages": [["en"], ["de", ""]],
        "tags": [["code", "chat"]],
        "without_tags": [["safety"]],
        "labellers": [[labeller("0").pk, labeller("2").pk]],
        "without_labellers": [[labeller("1").pk]],
        "max_cluster_share": [0.2, 0.4],
        "ai": [{"use": "unrated"}, {"use": "all"}, {"use": "all", "max_share": 0.2, "weight": 0.5}],
    }
    return {name: rng.choice(values) for name, values in offered.items() if rng.random() < 0.3}


def test_the_preview_counts_what_is_written(cast, mixed):
    rng = random.Random(1)
    n_not_empty = n_ai = 0
    for _ in range(40):
        drawn = _draw(rng)
        spec = Spec(**drawn)
        written = list(comparison_rows(cast.project, spec))
        rows = [row for row in written if row.get("origin") != "ai"]
        n_ai += len(written) - len(rows)
        told = preview(cast.project, spec)
        assert told["ai"]["comparisons"] == len(written) - len(rows), drawn
        assert {row["split"] for row in written if row.get("origin") == "ai"} <= {"train"}, drawn
        assert len({row["comparison_id"] for row in written}) == len(written), drawn
        assert told["ai"]["comparisons"] <= spec.ai["max_share"] * len(written) + 1e-9, drawn
        assert len(written) <= (spec.max_comparisons or len(written)), drawn
        splits = Counter(row["split"] for row in rows)
        assert told["comparisons"] == len(rows), drawn
        assert {split: told[split] for split in ("train", "validation", "test")} == {
            split: splits[split] for split in ("train", "validation", "test")
        }, drawn
        assert told["ratings"] == sum(row["n_ratings"] for row in rows), drawn
        assert told["hard"] == sum(row["is_hard"] for row in rows), drawn
        assert told["prompts"] == len({row["prompt_digest"] for row in rows}), drawn
        assert sum(one["n"] for one in told["by_agreement"]) == len(rows), drawn
        assert told["comparisons"] + sum(told["left_out"].values()) == len(mixed), drawn
        assert {one["bucket"]: one["n"] for one in told["by_language"]} == Counter(row["language"] for row in rows)
        n_not_empty += bool(rows)
    assert n_not_empty > 20, "specs that leave nothing prove little"
    assert n_ai > 50, "and so do specs without AI ratings"


def test_the_caps_hold_among_what_is_written(cast, mixed):
    mix = {"max_source_share": {"sft": 0.3}, "max_cluster_share": 0.3}
    rows = list(comparison_rows(cast.project, Spec(ties="soft", **mix)))
    assert rows
    of_cluster = Counter(row["cluster"] for row in rows if row["cluster"] is not None)
    assert max(of_cluster.values()) <= max(1, 0.3 * len(rows))
    by_source = list(comparison_rows(cast.project, Spec(ties="soft", max_source_share={"sft": 0.3})))
    n_sft = sum("sft" in (row["chosen_source_kind"], row["rejected_source_kind"]) for row in by_source)
    assert 0 < n_sft <= 0.3 * len(by_source)


@pytest.mark.parametrize("n_believed", [0, 10_000_000])
def test_the_database_may_be_wrong_about_the_tables(cast, mixed, n_believed):
    """Right after an import, or with statistics of a table's former state, a plan with joins took minutes for 60."""
    with connection.cursor() as cursor:
        for table in ("comparisons_comparison", "ratings_rating", "pool_prompt", "pool_completion", "judges_airating"):
            cursor.execute("ANALYZE " + table)
            cursor.execute("DELETE FROM pg_statistic WHERE starelid = %s::regclass", [table])
            cursor.execute(
                "UPDATE pg_class SET reltuples = %s, relpages = 100 WHERE oid = %s::regclass", [n_believed, table]
            )
        cursor.execute("SET LOCAL statement_timeout = '20s'")
    rng = random.Random(1)
    for _ in range(20):
        spec = Spec(**_draw(rng))
        told = preview(cast.project, spec)
        assert told["comparisons"] + told["ai"]["comparisons"] == len(list(comparison_rows(cast.project, spec)))
