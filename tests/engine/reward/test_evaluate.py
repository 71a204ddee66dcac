from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import log_loss as sklearn_log_loss

from training.engine.common.chat import Encoded
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.data import Comparisons
from training.engine.reward.evaluate import MAX_CELL_BATCHES, EvaluateConfig, evaluate, report_on
from training.engine.reward.metrics import share_stat
from training.engine.reward.model import RewardModel
from training.engine.reward.predict import PredictConfig, predict


def _comparisons(p: list[float], is_a: list[bool], chosen_chars: list[int], rejected_chars: list[int]) -> Comparisons:
    n = len(p)
    one = np.ones(n, dtype=np.float32)
    numbers = {
        "soft_preference": np.array(p, dtype=np.float32),
        "weight": one,
        "margin": 0 * one,
        "intensity": np.resize(np.array([4, 4, 1, np.nan, 2], dtype=np.float32), n),
        "agreement": np.resize(np.array([1.0, 0.8, 0.6, 0.5, 1.0], dtype=np.float32), n),
    }
    meta: dict[str, list[Any]] = {
        "comparison_id": list(range(n)),
        "prompt_digest": [f"p{i}" for i in range(n)],
        "chosen_is_a": is_a,
        "chosen_chars": chosen_chars,
        "rejected_chars": rejected_chars,
    }
    texts = [Encoded([1], [2], is_truncated=i == 0) for i in range(n)]
    return Comparisons(texts, texts, numbers, meta)


@pytest.fixture
def report() -> dict:
    """Five comparisons: right, wrong, equal rewards, a tie of the ratings, and right where it is shorter."""
    comparisons = _comparisons(
        p=[1.0, 0.8, 0.6, 0.5, 1.0],
        is_a=[True, False, True, True, False],
        chosen_chars=[10, 20, 30, 40, 5],
        rejected_chars=[5, 20, 40, 1, 9],
    )
    chosen = np.array([2.0, 0.0, 1.0, 3.0, 1.0], dtype=np.float32)
    rejected = np.array([0.0, 1.0, 1.0, 0.0, 0.5], dtype=np.float32)
    return report_on(comparisons, chosen, rejected, split="test")


def test_accuracy_and_baselines_are_over_the_same_decided_comparisons(report: dict) -> None:
    """Model: 1, 0, ½, 1. Longer: 1, ½ (equal), 0, 0. Always a: 1, 0, 1, 0. The tie at p = ½ is in none of them."""
    assert report["n_comparisons"] == 5
    assert report["n_decided"] == 4
    assert report["accuracy"]["value"] == pytest.approx(2.5 / 4)
    assert report["baselines"]["longer"]["value"] == pytest.approx(1.5 / 4)
    assert report["baselines"]["always_a"]["value"] == pytest.approx(2 / 4)
    counts = {report["accuracy"]["n"], *(stat["n"] for stat in report["baselines"].values())}
    assert counts == {4}
    assert report["advantage"]["longer"]["value"] == pytest.approx(0.25)


def test_slices_add_up_to_the_whole(report: dict) -> None:
    for name in ("by_intensity", "by_agreement", "by_length"):
        assert sum(one["accuracy"]["n"] for one in report[name]) == 4
    by_intensity = {one["bucket"]: one["accuracy"]["value"] for one in report["by_intensity"]}
    assert by_intensity == {"1": 0.5, "2": 1.0, "4": 0.5}
    by_agreement = {one["bucket"]: one["accuracy"]["n"] for one in report["by_agreement"]}
    assert by_agreement == {"1.0": 2, "0.8 to 1.0": 1, "0.6 to 0.8": 1}
    by_length = {one["bucket"]: one["accuracy"]["value"] for one in report["by_length"]}
    assert by_length == {"preferred is longer": 1.0, "preferred is shorter": 0.75, "equal length": 0.0}


def test_calibration_is_that_of_the_stored_first_side(report: dict) -> None:
    """P(a preferred) predicted: σ(2), σ(1), ½, σ(3), σ(−½); wanted: 1, 0.2, 0.6, 0.5, 0."""
    predicted = 1 / (1 + np.exp(-np.array([2.0, 1.0, 0.0, 3.0, -0.5])))
    wanted = np.array([1.0, 0.2, 0.6, 0.5, 0.0])
    assert report["brier"] == pytest.approx(float(np.mean((predicted - wanted) ** 2)), abs=1e-6)
    assert sum(one["n"] for one in report["calibration"]["bins"]) == 5
    assert report["reward_gap"]["mean"] == pytest.approx((2 - 1 + 0 + 3 + 0.5) / 5)
    assert report["n_truncated"] == 1


def test_swapping_every_comparison_gives_the_same_report() -> None:
    """Storing the rejected side as chosen with 1 − p says the same, so every number but the gap's sign must stay."""
    chosen = np.array([2.0, 0.0, 1.0, 3.0, 1.0], dtype=np.float32)
    rejected = np.array([0.0, 1.0, 1.0, 0.0, 0.5], dtype=np.float32)
    p, is_a = [1.0, 0.75, 0.625, 0.5, 1.0], [True, False, True, True, False]
    longs, shorts = [10, 20, 30, 40, 5], [5, 20, 40, 1, 9]
    one = report_on(_comparisons(p, is_a, longs, shorts), chosen, rejected, split="test")
    swapped = _comparisons([1 - x for x in p], [not x for x in is_a], shorts, longs)
    other = report_on(swapped, rejected, chosen, split="test")
    for name in ("accuracy", "baselines", "by_intensity", "by_length", "calibration"):
        assert other[name] == one[name]
    for name in ("brier", "log_loss"):
        assert other[name] == pytest.approx(one[name])
    assert other["reward_gap"]["mean"] == pytest.approx(-one["reward_gap"]["mean"])
    within = "within_comparison"
    assert other["length_correlation"][within]["pearson"] == pytest.approx(one["length_correlation"][within]["pearson"])


@pytest.fixture
def full() -> tuple[Comparisons, pa.Table]:
    """Forty comparisons in all columns; in each fourth the stored rejected side is the preferred one."""
    n = 40
    index = np.arange(n)
    chosen_chars, rejected_chars = 100 + 10 * (index % 7), np.full(n, 120)
    comparisons = _comparisons([0.2 if i % 4 == 0 else 0.9 for i in index], (index % 2 == 0).tolist(), [], [])
    comparisons.numbers["intensity"] = np.tile(np.array([1, 2, 3, np.nan], dtype=np.float32), 10)
    comparisons.numbers["agreement"] = np.full(n, 0.75, dtype=np.float32)
    comparisons.meta.update(
        chosen_chars=chosen_chars.tolist(),
        rejected_chars=rejected_chars.tolist(),
        chosen_source_kind=["sft"] * n,
        rejected_source_kind=["early_policy"] * 20 + [""] * 20,
        rejected_source=["old"] * n,
        axis=["helpfulness"] * n,
        language=["en"] * 30 + [""] * 10,
        cluster=[None if i < 2 else int(i) for i in index],
        batch=[0] * 10 + [2] * 20 + [10] * 10,
        is_hard=[i < 5 for i in index],
        n_ratings=[3] * n,
        sides=[[1, 1, 1] if i % 4 else [-1, -1, 1] for i in index],
        firsts=[[1, -1, 1] if i % 2 else [0, 0, 0] for i in index],
    )
    texts = {
        "prompt": [[{"role": "system", "content": "s"}, {"role": "user", "content": f"question {i}"}] for i in index],
        "chosen": [[{"role": "assistant", "content": f"chosen {i} " + "x" * 1000}] for i in index],
        "rejected": [[{"role": "assistant", "content": f"rejected {i}"}] for i in index],
    }
    return comparisons, pa.table(texts)


def test_every_way_to_slice_covers_the_decided_comparisons(full: tuple[Comparisons, pa.Table]) -> None:
    """Against scikit-learn's log-loss and plain sums, slice by slice."""
    comparisons, table = full
    gap = np.random.default_rng(0).normal(0.5, 1, 40).astype(np.float32)
    found = report_on(comparisons, gap, 0 * gap, split="test", table=table)
    p = comparisons.numbers["soft_preference"].astype(np.float64)
    is_right = (gap > 0) == (p > 0.5)
    slices = {name: {one["bucket"]: one for one in rows} for name, rows in found["slices"].items()}
    n = {name: sum(one["accuracy"]["n"] for one in rows.values()) for name, rows in slices.items()}
    assert n.pop("cluster") == 31  # of 39 clusters the thirty largest: the two of none, and 29 single ones
    assert set(n.values()) == {40}
    assert list(slices["intensity"]) == ["1", "2", "3", "unknown"]
    assert list(slices["batch"]) == ["0", "2", "10"]
    assert [one["accuracy"]["n"] for one in slices["batch"].values()] == [10, 20, 10]
    assert len(slices["cluster"]) == 30
    assert slices["cluster"]["unknown"]["accuracy"]["n"] == 2
    assert {name: one["accuracy"]["n"] for name, one in slices["language"].items()} == {"en": 30, "unknown": 10}
    pairs = {name: one["accuracy"]["n"] for name, one in slices["source_pair"].items()}
    assert pairs == {"sft · early_policy": 15, "early_policy · sft": 5, "sft · old": 15, "old · sft": 5}
    hard = slices["hard"]["hard"]
    assert hard["accuracy"]["value"] == pytest.approx(is_right[:5].mean())
    one = 1 / (1 + np.exp(-gap[:5].astype(np.float64)))
    assert hard["predicted"] == pytest.approx(np.where(p[:5] > 0.5, one, 1 - one).mean())
    both = np.concatenate([one, one])
    expected = sklearn_log_loss(np.repeat([1, 0], 5), both, sample_weight=np.concatenate([p[:5], 1 - p[:5]]))
    assert hard["log_loss"] == pytest.approx(expected, abs=1e-6)
    assert found["n_hard"] == 5


def test_accuracy_by_batch_and_intensity_is_that_of_a_recount() -> None:
    """Against a loop over all comparisons, which knows nothing of masks; ties of the ratings are in no cell."""
    n = 2_000
    random = np.random.default_rng(5)
    p = random.choice([0.1, 0.5, 0.9, 1.0], n)
    comparisons = _comparisons(p.tolist(), [True] * n, [10] * n, [20] * n)
    intensity = random.choice([1, 2, 3, 4, np.nan], n).astype(np.float32)
    batch = random.choice([0, 0, 1, 2, 7], n).tolist()
    comparisons.numbers["intensity"] = intensity
    comparisons.meta["batch"] = [None if number == 0 and i % 2 else number for i, number in enumerate(batch)]
    comparisons.meta["prompt_digest"] = [f"p{i // 3}" for i in range(n)]
    gap = random.choice([-1.0, 0.0, 1.0], n, p=[0.3, 0.1, 0.6]).astype(np.float32)
    found = report_on(comparisons, gap, 0 * gap, split="test")["slices"]["batch_intensity"]

    recount: dict[tuple[int, int | None], tuple[list[float], list[str]]] = {}
    for i in range(n):
        if p[i] == 0.5:
            continue
        level = None if np.isnan(intensity[i]) else int(intensity[i])
        hits, prompts = recount.setdefault((batch[i], level), ([], []))
        is_right = gap[i] > 0 if p[i] > 0.5 else gap[i] < 0
        hits.append(0.5 if gap[i] == 0 else float(is_right))
        prompts.append(f"p{i // 3}")
    assert len(recount) == 20
    assert {(row["batch"], row["intensity"]): row["accuracy"] for row in found} == {
        cell: share_stat(*counted) for cell, counted in recount.items()
    }
    assert [row["bucket"] for row in found[:6]] == ["0 · 1", "0 · 2", "0 · 3", "0 · 4", "0 · unknown", "1 · 1"]


def test_batches_by_intensity_are_bounded_to_the_newest_and_what_no_round_asked_for() -> None:
    n = 500
    comparisons = _comparisons([1.0] * n, [True] * n, [1] * n, [2] * n)
    comparisons.meta["batch"] = [i % 50 for i in range(n)]
    found = report_on(comparisons, np.ones(n, np.float32), np.zeros(n, np.float32), split="test")["slices"]
    assert {row["batch"] for row in found["batch_intensity"]} == {0, *range(50 - MAX_CELL_BATCHES, 50)}
    assert len(found["batch"]) == 50  # all of them where intensities are not told apart


def test_where_no_round_asked_for_any_the_intensities_alone_say_it_all() -> None:
    comparisons = _comparisons([1.0] * 10, [True] * 10, [1] * 10, [2] * 10)
    found = report_on(comparisons, np.ones(10, np.float32), np.zeros(10, np.float32), split="test")["slices"]
    assert found["batch_intensity"] == []
    assert len(found["intensity"]) == 4


def test_agreement_is_over_pairs_of_ratings_ties_of_them_included() -> None:
    """+ + (same), + − (not; the ratings are even, so that accuracy leaves it out), and three of + + −: 1 of 3."""
    comparisons = _comparisons([1.0, 0.5, 0.67], [True] * 3, [1] * 3, [2] * 3)
    comparisons.meta["sides"] = [[1, 1], [1, -1], [1, 1, -1]]
    found = report_on(comparisons, np.ones(3, np.float32), np.zeros(3, np.float32), split="test")
    assert (found["agreement"]["value"], found["agreement"]["n"]) == (pytest.approx(2 / 5), 5)
    assert found["agreement"]["n_prompts"] == 3
    without = _comparisons([1.0], [True], [1], [2])
    assert report_on(without, np.ones(1, np.float32), np.zeros(1, np.float32), split="test")["agreement"] is None


def test_ceiling_and_order_on_the_screen_are_those_of_the_ratings(full: tuple[Comparisons, pa.Table]) -> None:
    """Thirty comparisons of three that agree: 90 right. Ten of −, −, +: the + is wrong, the − meet an even rest."""
    comparisons, _ = full
    gap = np.ones(40, dtype=np.float32)
    found = report_on(comparisons, gap, 0 * gap, split="test")
    assert found["human_ceiling"]["value"] == pytest.approx(90 / 100)
    assert found["human_ceiling"]["n"] == 100
    # Known for the twenty odd ones, of which + is preferred and was shown first to two of three.
    assert found["baselines"]["first_shown"]["value"] == pytest.approx(2 / 3)
    assert found["baselines"]["first_shown"]["n"] == 20
    assert found["advantage"]["first_shown"]["value"] == pytest.approx(1 / 3)


def test_where_length_points_the_other_way_a_model_of_length_is_wrong(full: tuple[Comparisons, pa.Table]) -> None:
    comparisons, _ = full
    chars = [np.asarray(comparisons.meta[name], dtype=np.float32) for name in ("chosen_chars", "rejected_chars")]
    signal = np.where(comparisons.numbers["soft_preference"] > 0.5, 0.3, -0.3).astype(np.float32)
    found = report_on(comparisons, signal + chars[0] / 10, chars[1] / 10, split="test")
    length = found["length"]
    assert (length["opposed"]["value"], length["agreed"]["value"]) == (0.0, 1.0)
    assert sum(length[name]["n"] for name in ("matched", "opposed", "agreed")) == 40
    assert length["coefficient"] > 0
    by_difference = {one["bucket"]: one["accuracy"]["n"] for one in found["slices"]["length_difference"]}
    assert by_difference["within 10 %"] == length["matched"]["n"]
    assert sum(by_difference.values()) == 40


def test_the_hardest_errors_come_first_with_the_preferred_side_as_chosen(full: tuple[Comparisons, pa.Table]) -> None:
    comparisons, table = full
    gap = np.linspace(-1, 2, 40).astype(np.float32)
    found = report_on(comparisons, gap, 0 * gap, split="test", table=table)["errors"]
    p = comparisons.numbers["soft_preference"]
    towards = np.where(p > 0.5, gap, -gap)
    np.testing.assert_allclose([one["reward_gap"] for one in found], np.sort(towards)[: min(20, (towards < 0).sum())])
    assert found[0]["comparison_id"] == 36  # its stored rejected side is preferred
    assert found[0]["reward_gap"] == pytest.approx(-float(gap[36]))
    assert found[0]["chosen"] == "rejected 36"
    assert found[0]["prompt"] == "question 36"
    assert len(found[0]["rejected"]) == 600
    assert found[0]["rejected"].startswith("chosen 36 xx")
    assert found[0]["soft_preference"] == pytest.approx(0.8)
    assert (found[0]["agreement"], found[0]["n_ratings"]) == (0.75, 3)
    json.dumps(found)


def test_members_are_told_beside_their_mean(full: tuple[Comparisons, pa.Table]) -> None:
    comparisons, _ = full
    gap = np.ones(40)
    gaps = np.stack([gap, gap, np.where(np.arange(40) < 10, -0.5, 1.0)])
    found = report_on(comparisons, gap.astype(np.float32), np.zeros(40, np.float32), split="test", ensemble=gaps)
    assert found["ensemble"]["n_members"] == 3
    assert found["ensemble"]["disagreement"]["value"] == pytest.approx(10 / 40)
    assert found["ensemble"]["mean_std"] == pytest.approx(np.std([1, 1, -0.5]) * 10 / 40)


def test_a_set_of_ties_has_a_report_without_an_accuracy() -> None:
    comparisons = _comparisons([0.5, 0.5], [True, False], [1, 2], [2, 1])
    found = report_on(comparisons, np.ones(2, np.float32), np.zeros(2, np.float32), split="test")
    assert found["accuracy"]["n"] == 0
    assert found["accuracy"]["value"] is None
    assert found["errors"] == []
    assert not any(found["slices"].values())
    json.dumps(found, allow_nan=False)


@pytest.fixture(scope="module")
def untrained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rm") / "model"
    model = RewardModel.from_base(str(tiny_base), head_std=1.0)
    model.metadata = {"format": "touchstone.reward_model/1", "max_length": 256}
    model.save(path)
    return path


def test_the_evaluate_verb_writes_the_report_of_the_loaded_model(
    untrained: Path, real_set: Callable[..., Path], tmp_path: Path
) -> None:
    directory = real_set("pandalm", limit=120)
    values = {"model": str(untrained), "comparison_set": str(directory), "split": "train", "n_threads": 1}
    config = config_from_dict(EvaluateConfig, {**values, "out": str(tmp_path / "report.json")})
    result = evaluate(config, Reporter(io.StringIO()), StopFlag())
    report = json.loads((tmp_path / "report.json").read_text())
    rows = pq.read_table(directory / "train-00000.parquet").to_pylist()
    model = RewardModel.load(untrained)
    chosen, rejected = (
        model.score([(row["prompt"], row[side][0]["content"]) for row in rows]) for side in ("chosen", "rejected")
    )
    gaps = np.subtract(chosen, rejected)
    expected = share_stat([float(gap > 0) for gap in gaps], [row["prompt_digest"] for row in rows])
    assert report["accuracy"] == result["accuracy"] == expected
    longer = np.mean([(np.sign(row["chosen_chars"] - row["rejected_chars"]) + 1) / 2 for row in rows])
    assert report["baselines"]["longer"]["value"] == pytest.approx(longer)
    assert report["n_comparisons"] == len(rows)


def test_predict_gives_the_models_rewards_in_order_and_resumes(untrained: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"c{i}", "messages": [{"role": "user", "content": "Say a number"}], "completion": "one " * i}
        for i in range(25)
    ]
    source = tmp_path / "completions.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def config(name: str) -> PredictConfig:
        values = {"model": str(untrained), "input": str(source), "rows_per_part": 10, "n_threads": 1}
        return config_from_dict(PredictConfig, {**values, "out_dir": str(tmp_path / name)})

    result = predict(config("whole"), Reporter(io.StringIO()), StopFlag())
    table = pq.read_table(result["rewards"])
    assert table.column("id").to_pylist() == [row["id"] for row in rows]
    expected = RewardModel.load(untrained).score([(row["messages"], row["completion"]) for row in rows])
    np.testing.assert_allclose(table.column("reward").to_numpy(), expected, rtol=1e-4, atol=1e-5)
    assert result["n_rows"] == 25
    parts = tmp_path / "stopped" / "parts"
    parts.mkdir(parents=True)
    pq.write_table(table.slice(0, 10), parts / "part-000000.parquet")  # what a killed run had finished
    (parts / "part-000001.tmp").write_bytes(b"half")
    resumed = predict(config("stopped"), Reporter(io.StringIO()), StopFlag())
    assert pq.read_table(resumed["rewards"]).equals(table)


def test_it_says_when_the_split_is_empty(untrained: Path, real_set: Callable[..., Path], tmp_path: Path) -> None:
    directory = real_set("pandalm", limit=2)
    config = EvaluateConfig(
        model=str(untrained), comparison_set=str(directory), out=str(tmp_path / "report.json"), n_threads=1
    )
    with pytest.raises(EngineError, match="no test split"):
        evaluate(config, Reporter(io.StringIO()), StopFlag())


def test_heads_beside_a_model_are_told_as_its_ensemble(
    untrained: Path, real_set: Callable[..., Path], tmp_path: Path
) -> None:
    """Three heads, the third the model's own turned round: it votes against the mean wherever there is a gap."""
    model = RewardModel.load(untrained)
    own = model.head.weight.detach()
    path = tmp_path / "model"
    shutil.copytree(untrained, path)
    save_file({"weight": torch.cat([own, own, -own]), "reward_mean": torch.zeros(3)}, path / "heads.safetensors")
    values = {"model": str(path), "comparison_set": str(real_set("pandalm", limit=120)), "split": "train"}
    config = config_from_dict(EvaluateConfig, {**values, "out": str(tmp_path / "report.json"), "n_threads": 1})
    evaluate(config, Reporter(io.StringIO()), StopFlag())
    report = json.loads((tmp_path / "report.json").read_text())
    members = [one["value"] for one in report["ensemble"]["members"]]
    assert members == pytest.approx([report["accuracy"]["value"]] * 2 + [1 - report["accuracy"]["value"]])
    assert report["ensemble"]["disagreement"]["value"] == 1.0
    assert report["ensemble"]["accuracy"] == report["accuracy"]
