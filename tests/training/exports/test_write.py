import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from annotate.guidelines.models import GuidelineVersion, WorkedExample
from annotate.projects.models import Membership
from annotate.projects.services import exclude_member, include_member
from annotate.ratings.models import Flag
from annotate.ratings.services import adjudicate, reopen
from tests.training.ratings import correct, labeller, rate, running_job
from training.engine.common.atomic import sha256_file
from training.exports import reading
from training.exports.aggregation import Vote, aggregate
from training.exports.models import ComparisonSet
from training.exports.querysets import taken
from training.exports.reading import comparison_rows
from training.exports.selectors import preview
from training.exports.services import create_comparison_set, write_comparison_set
from training.exports.spec import Spec


def write(cast, **spec) -> ComparisonSet:
    made = create_comparison_set(project=cast.project, spec=Spec(**spec))
    return write_comparison_set(comparison_set=made, context=running_job(cast.project))


def table(comparison_set: ComparisonSet):
    files = sorted(str(path) for path in Path(comparison_set.uri).glob("*.parquet"))
    return ds.dataset(files, format="parquet").to_table().sort_by("comparison_id").to_pylist()


def exclude(cast, person) -> Membership:
    return exclude_member(project=cast.project, user_id=person.pk, reason="for this test", actor=cast.owner)


@pytest.fixture
def rated(cast, comparisons):
    """Twelve comparisons of twelve prompts, each rated a, a, b with intensities 4, 2, 1."""
    made = comparisons(12)
    for comparison in made:
        rate(comparison, ("a", 4), ("a", 2), ("b", 1))
    return made


def test_it_writes_what_the_ratings_say(cast, rated):
    written = write(cast)
    rows = table(written)
    assert [row["comparison_id"] for row in rows] == [comparison.pk for comparison in rated]
    first, comparison = rows[0], rated[0]
    assert first["prompt"] == comparison.prompt.messages
    assert first["chosen"] == [{"role": "assistant", "content": comparison.a.text}]
    assert first["rejected"] == [{"role": "assistant", "content": comparison.b.text}]
    assert first["chosen_is_a"] is True
    assert first["soft_preference"] == 0.625
    assert first["intensity"] == 3.0
    assert first["weight"] == pytest.approx(1.2)
    assert first["margin"] == pytest.approx(2 / 3)
    assert first["agreement"] == pytest.approx(2 / 3)
    assert first["n_ratings"] == 3
    assert first["rating_ids"] == list(comparison.ratings.order_by("id").values_list("id", flat=True))
    assert (first["chosen_chars"], first["rejected_chars"]) == (len(comparison.a.text), len(comparison.b.text))
    assert written.counts["comparisons"] == 12 and written.counts["ratings"] == 36 and written.counts["labellers"] == 3


def test_shards_match_their_manifest(cast, rated):
    written = write(cast)
    manifest = json.loads((Path(written.uri) / "manifest.json").read_text())
    assert manifest == written.manifest
    assert manifest["shards"]
    for shard in manifest["shards"]:
        path = Path(written.uri) / shard["path"]
        assert sha256_file(path) == shard["sha256"]
        assert pq.ParquetFile(path).metadata.num_rows == shard["rows"]
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    assert sum(shard["rows"] for shard in manifest["shards"]) == 12
    assert manifest["counts"] == {split: written.counts[split] for split in ("train", "validation", "test")}


def test_the_same_ratings_and_spec_give_the_same_bytes(cast, rated):
    one, other = write(cast), write(cast)
    assert one.pk != other.pk and one.uri != other.uri
    assert one.digest == other.digest
    for shard in one.manifest["shards"]:
        assert (Path(one.uri) / shard["path"]).read_bytes() == (Path(other.uri) / shard["path"]).read_bytes()


def test_another_rating_gives_other_bytes(cast, rated):
    before = write(cast).digest
    correct(rated[0].ratings.order_by("id").first(), "b", 1)
    assert write(cast).digest != before


def test_a_superseded_rating_does_not_count(cast, rated):
    """a, a, b becomes b, a, b."""
    newer = correct(rated[0].ratings.order_by("id").first(), "b", 3)
    row = table(write(cast))[0]
    assert row["chosen_is_a"] is False
    assert row["intensity"] == 2.0  # mean of 3 and 1
    assert newer.pk in row["rating_ids"] and newer.supersedes_id not in row["rating_ids"]
    assert row["n_ratings"] == 3


def test_gold_flagged_invalid_and_unrated_ones_are_left_out(cast, comparisons, rated):
    gold, flagged, invalid, settled = rated[:4]
    comparisons(1)
    gold.gold_preferred, gold.gold_intensity, gold.state = "a", 4, "closed"
    gold.save()
    Flag.objects.create(comparison=flagged, labeller=labeller("0"), kind="broken")
    type(flagged).objects.filter(pk=flagged.pk).update(n_flags=1)
    for comparison, verdict, intensity in ((invalid, "invalid", None), (settled, "b", 4)):
        adjudicate(
            project=cast.project, reviewer=cast.reviewer, comparison_id=comparison.pk, verdict=verdict,
            intensity=intensity, note="",
        )  # fmt: skip
    rows = {row["comparison_id"]: row for row in table(write(cast))}
    assert sorted(rows) == [comparison.pk for comparison in rated[3:]]
    assert rows[settled.pk]["chosen_is_a"] is False
    assert rows[settled.pk]["soft_preference"] == 0.875
    counts = preview(cast.project, Spec())
    assert counts["comparisons"] == 9
    assert counts["unrated"] == 1
    assert {name: n for name, n in counts["left_out"].items() if n} == {"gold": 1, "flagged": 1, "invalid": 1}
    without = preview(cast.project, Spec(include_adjudicated=False))
    assert without["comparisons"] == 8 and without["left_out"]["adjudicated"] == 1


def test_what_a_quiz_asks_is_left_out_and_what_a_guideline_shows_is_not(cast, rated):
    version = GuidelineVersion.objects.create(project=cast.project, number=7, body="x")
    for position, (comparison, in_quiz) in enumerate(zip(rated[:2], (True, False), strict=True)):
        WorkedExample.objects.create(
            version=version,
            position=position,
            prompt="p",
            completion_a="a",
            completion_b="b",
            preferred="a",
            intensity=3,
            rationale="so",
            comparison=comparison,
            in_quiz=in_quiz,
        )
    written = {row["comparison_id"] for row in table(write(cast))}
    assert written == {comparison.pk for comparison in rated[1:]}
    assert preview(cast.project, Spec())["left_out"]["quiz"] == 1


SPECS = [
    {},
    {"ties": "soft"},
    {"min_ratings": 3},
    {"min_agreement": 0.6},
    {"min_agreement": 2 / 3, "ties": "soft"},
    {"min_ratings": 2, "min_agreement": 1.0, "ties": "soft"},
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_selection_in_sql_and_the_aggregation_in_python_agree(cast, comparisons, spec):
    answers = ["a", "b", "aa", "ab", "aab", "abb", "a==", "===", "ab=", "aabb", "aaab", "a=b=", "bbbbb"]
    names = {"a": "a", "b": "b", "=": "tie"}
    for comparison, given in zip(comparisons(len(answers)), answers, strict=True):
        rate(comparison, *[names[letter] for letter in given])
    parsed = Spec(**spec)
    by_sql = list(taken(cast.project, parsed).values_list("pk", flat=True))
    rows = list(comparison_rows(cast.project, parsed))
    assert [row["comparison_id"] for row in rows] == by_sql
    assert by_sql
    counts = preview(cast.project, parsed)
    assert counts["comparisons"] == len(by_sql)
    assert counts["ratings"] == sum(row["n_ratings"] for row in rows)
    for split in ("train", "validation", "test"):
        assert counts[split] == sum(row["split"] == split for row in rows)
    assert sum(counts["left_out"].values()) + len(by_sql) == len(answers)


@pytest.mark.parametrize("spec", SPECS)
def test_without_excluded_labellers_they_agree_as_well(cast, comparisons, spec):
    """Ratings by 0, 1, 2 …; of the first, all that is left after 0 and 2 are excluded; of the last, nothing."""
    answers = ["aab", "aaab", "bbaa", "b=aa", "ab", "a=b=", "aabb", "=", "a"]
    left = ["a", "ab", "ba", "=a", "b", "==", "ab", "", ""]
    names = {"a": "a", "b": "b", "=": "tie"}
    made = comparisons(len(answers))
    for comparison, given in zip(made, answers, strict=True):
        rate(comparison, *[names[letter] for letter in given])
    for name in ("0", "2"):
        exclude(cast, labeller(name))
    parsed = Spec(**spec)
    rows = list(comparison_rows(cast.project, parsed))
    by_hand = {
        comparison.pk: decided
        for comparison, given in zip(made, left, strict=True)
        if (
            decided := aggregate([Vote(names[x], None) for x in given], parsed, n_levels=4, comparison_id=comparison.pk)
        )
    }
    assert {row["comparison_id"]: row["soft_preference"] for row in rows} == {
        pk: decided.soft_preference for pk, decided in by_hand.items()
    }
    counts = preview(cast.project, parsed)
    assert counts["comparisons"] == len(rows)
    assert counts["ratings"] == sum(row["n_ratings"] for row in rows)
    assert counts["left_out"]["excluded"] == 2
    assert sum(counts["left_out"].values()) + len(rows) == len(answers)


def test_an_exclusion_is_written_down_and_can_be_undone(cast, rated):
    whole = write(cast)
    member = exclude(cast, labeller("2"))
    without = write(cast)
    assert without.manifest["excluded_labellers"] == [labeller("2").pseudonym]
    assert (without.counts["labellers"], without.counts["excluded_labellers"]) == (2, 1)
    assert {row["agreement"] for row in table(without)} == {1.0}
    include_member(project=cast.project, user_id=member.user_id, actor=cast.owner)
    assert write(cast).digest == whole.digest
    assert whole.manifest["excluded_labellers"] == []
    summaries = (
        cast.project.audit_events.filter(action="export.written").order_by("id").values_list("summary", flat=True)
    )
    assert list(summaries) == [f"Comparison set {number}: 12 comparisons" for number in (1, 2, 3)]


def test_what_a_reviewer_settled_stands_when_its_labellers_are_excluded(cast, rated):
    adjudicate(
        project=cast.project, reviewer=cast.reviewer, comparison_id=rated[0].pk, verdict="b", intensity=4, note=""
    )
    for name in ("0", "1", "2"):
        exclude(cast, labeller(name))
    (row,) = table(write(cast))
    assert (row["comparison_id"], row["chosen_is_a"], row["n_ratings"]) == (rated[0].pk, False, 0)
    assert row["soft_preference"] == 0.75  # (1 + ½) / (1 + 1)


def test_the_ratings_speak_again_once_a_comparison_is_sent_back(cast, rated):
    settled = rated[0].pk
    adjudicate(project=cast.project, reviewer=cast.reviewer, comparison_id=settled, verdict="b", intensity=4, note="")
    reopen(project=cast.project, reviewer=cast.reviewer, comparison_id=settled, n_more=1, reason="too close")
    row = table(write(cast))[0]
    assert (row["comparison_id"], row["chosen_is_a"], row["soft_preference"]) == (settled, True, 0.625)
    assert preview(cast.project, Spec(include_adjudicated=False))["left_out"]["adjudicated"] == 0


def test_a_capped_set_is_part_of_a_larger_one(cast, rated):
    small = {row["comparison_id"] for row in table(write(cast, max_comparisons=4))}
    larger = {row["comparison_id"] for row in table(write(cast, max_comparisons=8))}
    assert len(small) == 4 and len(larger) == 8 and small < larger


def test_queries_grow_with_chunks_not_with_comparisons(cast, rated, monkeypatch):
    def n_queries(chunk: int) -> int:
        monkeypatch.setattr(reading, "CHUNK", chunk)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert len(list(comparison_rows(cast.project, Spec()))) == 12
        return len(captured)

    assert n_queries(4) - n_queries(6) == 4  # one chunk more: prompts, completions, ratings, batches


def test_a_frozen_set_is_not_written_again(cast, rated):
    written = write(cast)
    manifest = Path(written.uri) / "manifest.json"
    before = manifest.stat().st_mtime_ns
    write_comparison_set(comparison_set=written, context=running_job(cast.project))
    assert manifest.stat().st_mtime_ns == before


def test_files_of_a_run_that_was_cut_short_are_replaced(cast, rated):
    made = create_comparison_set(project=cast.project, spec=Spec())
    written = write_comparison_set(comparison_set=made, context=running_job(cast.project))
    leftover = Path(written.uri) / "train-00007.parquet"
    leftover.write_bytes(b"half a shard")
    ComparisonSet.objects.filter(pk=made.pk).update(frozen_at=None, digest="", uri="")
    again = write_comparison_set(comparison_set=made, context=running_job(cast.project))
    assert again.digest == written.digest
    assert not leftover.exists()


def test_the_database_refuses_a_half_frozen_set(cast):
    made = create_comparison_set(project=cast.project, spec=Spec())
    with pytest.raises(IntegrityError, match="comparison_sets_frozen_as_a_whole"):
        ComparisonSet.objects.filter(pk=made.pk).update(digest="0" * 64)


def test_datasets_finds_its_splits_by_the_card(cast, rated, tmp_path):
    datasets = pytest.importorskip("datasets")
    written = write(cast)
    loaded = datasets.load_dataset(written.uri, cache_dir=str(tmp_path))
    assert {split: part.num_rows for split, part in loaded.items()} == {
        split: n for split, n in written.manifest["counts"].items() if n
    }
    row = loaded["train"][0]
    assert row["chosen"][0]["role"] == "assistant"
    assert len(row["labellers"]) == len(row["sides"]) == len(row["rating_ids"]) == 3


def test_trl_trains_on_it_as_it_is(cast, rated, tmp_path):
    """Prompt, chosen and rejected as messages, and the margin, which its loss subtracts."""
    datasets, trl = pytest.importorskip("datasets"), pytest.importorskip("trl")
    from transformers import LlamaConfig, LlamaForSequenceClassification

    from training.engine.lm.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(["a question and its answer"], vocab_size=300, max_length=128)
    config: Any = LlamaConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    config.num_labels = 1
    settings = trl.RewardConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=1,
        per_device_train_batch_size=4,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
        bf16=False,
    )
    rows = datasets.load_dataset(write(cast).uri, split="train", cache_dir=str(tmp_path))
    trainer = trl.RewardTrainer(
        model=LlamaForSequenceClassification(config), args=settings, train_dataset=rows, processing_class=tokenizer
    )
    assert "margin" in next(iter(trainer.get_train_dataloader()))
    assert trainer.train().training_loss > 0
