"""AI ratings in comparison sets: where asked for, of judges that are allowed, marked, and only to train on."""

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from annotate.guidelines.models import GuidelineVersion, WorkedExample
from annotate.pool.models import Prompt
from annotate.ratings.models import Rating
from annotate.ratings.services import adjudicate
from tests.training.judges.world import judge_them, make_judge
from tests.training.ratings import correct, rate, running_job
from training.exports.querysets import ai_taken
from training.exports.reading import comparison_rows
from training.exports.selectors import preview
from training.exports.services import create_comparison_set, write_comparison_set
from training.exports.spec import Spec
from training.judges.models import Judge
from training.splits import split_of

HELD_OUT = f"{9:08x}" + "a" * 56


def write(cast, **spec):
    made = create_comparison_set(project=cast.project, spec=Spec(**spec))
    return write_comparison_set(comparison_set=made, context=running_job(cast.project))


def rows_of(written):
    files = sorted(str(path) for path in Path(written.uri).glob("*.parquet"))
    return ds.dataset(files, format="parquet").to_table().sort_by("comparison_id").to_pylist()


@pytest.fixture
def world(cast, comparisons):
    """Ten comparisons that people have rated and twenty that only an allowed judge has, on any split's prompts."""
    made = comparisons(30)
    rated, unrated = made[:10], made[10:]
    for comparison in rated:
        rate(comparison, ("a", 4), ("a", 2))
    judge = make_judge(cast.project, allowed_at=timezone.now())
    judge_them(judge, [(one, 0.8 if number % 2 == 0 else 0.3) for number, one in enumerate(made)])
    return judge, rated, unrated


def to_train_on(made):
    return [one for one in made if split_of(Prompt.objects.get(pk=one.prompt_id).digest) == "train"]


def test_by_default_there_are_none_and_the_bytes_are_what_they_were(cast, world):
    judge, rated, _ = world
    with_them = write(cast)
    judge.ratings.all().delete()
    without = write(cast)
    assert with_them.digest == without.digest
    rows = rows_of(with_them)
    assert {row["comparison_id"] for row in rows} == {one.pk for one in rated}
    assert "origin" not in rows[0] and "ai" not in with_them.manifest and with_them.counts["ai"] == 0


def test_what_nobody_has_rated_is_added_marked_and_only_to_train_on(cast, world):
    judge, rated, unrated = world
    written = write(cast, ai={"use": "unrated", "weight": 0.5})
    rows = {row["comparison_id"]: row for row in rows_of(written)}
    added = to_train_on(unrated)
    assert 0 < len(added) < 20
    assert rows.keys() == {one.pk for one in rated + added}
    assert {rows[one.pk]["origin"] for one in added} == {"ai"}
    assert {rows[one.pk]["origin"] for one in rated} == {"human"}
    assert {rows[one.pk]["split"] for one in added} == {"train"}
    for comparison in added:
        row, p_a = rows[comparison.pk], judge.ratings.get(comparison=comparison).p_a
        assert row["soft_preference"] == pytest.approx(max(p_a, 1 - p_a))
        assert row["chosen_is_a"] is (p_a > 0.5)
        assert row["chosen"][0]["content"] == (comparison.a if p_a > 0.5 else comparison.b).text
        assert (row["weight"], row["margin"], row["n_ratings"], row["rating_ids"]) == (0.5, 0.0, 0, [])
        assert row["labellers"] == [] and row["agreement"] is None and row["intensity"] is None
    assert written.counts["ai"] == len(added) and written.counts["labellers"] == 2
    assert written.manifest["ai"] == {
        "comparisons": len(added),
        "judges": [
            {
                "judge": "path:/models/judge",
                "model": "",
                "constitution": "House rules",
                "version": 1,
                "chain_of_thought": False,
            }
        ],
    }
    assert f"{len(added)} of them, all to train on, are AI ratings" in (Path(written.uri) / "README.md").read_text()


def test_the_preview_counts_them_apart(cast, world):
    _, _, unrated = world
    told = preview(cast.project, Spec(ai={"use": "unrated"}))
    n = len(to_train_on(unrated))
    assert told["comparisons"] == 10
    assert told["ai"] == {"comparisons": n, "offered": n, "share": pytest.approx(n / (n + 10))}
    assert preview(cast.project, Spec())["ai"]["comparisons"] == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5])
def test_their_share_is_capped(cast, world, share):
    rows = list(comparison_rows(cast.project, Spec(ai={"use": "unrated", "max_share": share})))
    n_ai = sum(row.get("origin") == "ai" for row in rows)
    assert n_ai <= share * len(rows)
    assert n_ai + 1 > share * (10 + n_ai + 1) or n_ai == len(to_train_on(world[2])), "and no smaller than need be"


def test_the_largest_number_holds_for_both_together(cast, world):
    rows = list(comparison_rows(cast.project, Spec(max_comparisons=12, ai={"use": "unrated"})))
    assert [row["origin"] for row in rows] == ["human"] * 10 + ["ai"] * 2
    assert len(list(comparison_rows(cast.project, Spec(max_comparisons=8, ai={"use": "unrated"})))) == 8


def test_a_judge_that_is_not_allowed_does_not_count(cast, world):
    Judge.objects.update(allowed_at=None)
    written = write(cast, ai={"use": "unrated"})
    assert written.counts["ai"] == 0 and written.manifest["ai"] == {"comparisons": 0, "judges": []}
    told = preview(cast.project, Spec(ai={"use": "unrated"}))
    assert "no_ai_ratings" in {one["code"] for one in told["warnings"]}


def test_nothing_that_people_decide_or_that_is_kept_apart_is_added(cast, comparisons, world):
    _, _, unrated = world
    gold, flagged, quiz, invalid, held_out, plain = to_train_on(unrated)[:6]
    type(gold).objects.filter(pk=gold.pk).update(gold_preferred="a", state="closed")
    type(flagged).objects.filter(pk=flagged.pk).update(n_flags=1)
    version = GuidelineVersion.objects.create(project=cast.project, number=1, body="x")
    WorkedExample.objects.create(
        version=version, position=0, prompt="x", completion_a="x", completion_b="y", preferred="a", intensity=1,
        rationale="x", comparison=quiz, in_quiz=True,
    )  # fmt: skip
    adjudicate(
        project=cast.project, reviewer=cast.reviewer, comparison_id=invalid.pk, verdict="invalid", intensity=None,
        note="",
    )  # fmt: skip
    Prompt.objects.filter(pk=held_out.prompt_id).update(digest=HELD_OUT)
    for use in ("unrated", "all"):
        added = {one.pk for one in ai_taken(cast.project, Spec(ai={"use": use}), 10)}
        assert plain.pk in added
        assert not added & {gold.pk, flagged.pk, quiz.pk, invalid.pk, held_out.pk}


def test_all_adds_what_people_have_rated_too_little(cast, world):
    _, rated, unrated = world
    spec = {"min_ratings": 3, "ai": {"use": "all"}}
    rows = list(comparison_rows(cast.project, Spec(**spec)))
    assert {row["comparison_id"] for row in rows} == {one.pk for one in to_train_on(rated + unrated)}
    assert {row["origin"] for row in rows} == {"ai"} and all(row["n_ratings"] == 0 for row in rows)
    with_people = list(comparison_rows(cast.project, Spec(ai={"use": "all"})))
    assert [row["origin"] for row in with_people].count("human") == 10


def test_all_leaves_ties_to_people(cast, world):
    _, rated, _ = world
    (tied, *_) = to_train_on(rated)
    correct(tied.ratings.get(labeller__external_key="test/1"), "b", 1)
    rows = list(comparison_rows(cast.project, Spec(ai={"use": "all"})))
    assert tied.pk not in {row["comparison_id"] for row in rows}


def test_one_half_is_a_tie(cast, world):
    judge, _, unrated = world
    (even, *_) = to_train_on(unrated)
    judge.ratings.filter(comparison=even).update(p_a=0.5)
    dropped = {row["comparison_id"] for row in comparison_rows(cast.project, Spec(ai={"use": "unrated"}))}
    kept = {
        row["comparison_id"]: row for row in comparison_rows(cast.project, Spec(ties="soft", ai={"use": "unrated"}))
    }
    assert even.pk not in dropped and kept[even.pk]["soft_preference"] == 0.5


def test_no_rating_of_a_person_comes_of_it(cast, world):
    assert Rating.objects.count() == 20
    assert all(one.n_ratings == 0 for one in world[2])


@pytest.mark.parametrize(
    "ai",
    [{"use": "some"}, {"max_share": 1.1}, {"weight": -1}, {"share": 1}, {"use": "all", "weight": True}, "all", None],
)
def test_a_spec_says_what_it_expects(ai):
    with pytest.raises(ValidationError) as refusal:
        Spec.parse({"ai": ai})
    assert "ai" in refusal.value.message_dict


def test_the_api_takes_it_in_bodies_and_in_addresses(cast, world):
    client = cast.client(cast.researcher)
    url = "/api/v1/projects/helpfulness/comparison-sets"
    shown = client.get(f"{url}/preview?ai=use:unrated&ai=max_share:0.2")
    assert shown.status_code == 200 and shown.json()["ai"]["comparisons"] == 2
    assert client.get(f"{url}/preview?ai=use:some").status_code == 400
    made = client.post(url, {"spec": {"ai": {"use": "unrated"}}}, format="json")
    assert made.status_code == 201
    assert made.json()["spec"]["ai"] == {"use": "unrated", "max_share": 1.0, "weight": 1.0}
    wrong = client.post(url, {"spec": {"ai": {"weight": 2}}}, format="json")
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["field"] == "spec.ai"
