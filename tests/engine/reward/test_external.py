from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.external import BadRow, ExternalConfig, external, external_report, parse_row
from training.engine.reward.metrics import share_stat
from training.engine.reward.model import RewardModel


def _line(**changes: Any) -> str:
    row = {"id": "1", "category": "chat", "prompt": "Say hello", "chosen": "hello", "rejected": "go away"}
    return json.dumps({name: value for name, value in {**row, **changes}.items() if value != "missing"})


def test_prompts_and_completions_are_taken_as_texts_and_as_messages() -> None:
    asked = [{"role": "user", "content": "Say hello"}]
    assert parse_row(_line(), 1).prompt == asked
    row = parse_row(_line(prompt=asked, chosen=[{"role": "assistant", "content": "hi"}], rejected=["a", "b"]), 1)
    assert (row.prompt, row.chosen, row.rejected) == (asked, "hi", ["a", "b"])
    more = [{"role": "user", "content": "twice"}, {"role": "assistant", "content": "hi hi"}]
    assert parse_row(_line(prompt=asked, chosen=more), 1).prompt == [*asked, more[0]]
    bare = parse_row(_line(id="missing", category="missing", subset="hard"), 7)
    assert (bare.id, bare.category) == ("line 7", "hard")
    assert parse_row(_line(category="missing"), 1).category == "other"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not valid JSON"),
        ("[1]", "JSON object"),
        (_line(prompt="missing"), '"prompt" is missing'),
        (_line(prompt=" "), '"prompt" is empty'),
        (_line(prompt=[]), '"prompt" must be text or a list'),
        (_line(prompt=[{"role": "user"}]), '"prompt" must be text or a list'),
        (_line(chosen=3), '"chosen" must be text or a list'),
        (_line(chosen=[{"role": "user", "content": "x"}]), "must be the assistant's"),
        (_line(rejected=[]), '"rejected" must be text or a list of texts'),
        (_line(rejected=["a", 2]), '"rejected" must be text or a list of texts'),
        (_line(rejected=["a", "hello"]), "the same text"),
        (_line(category=4), '"category" must be text, got 4'),
    ],
)
def test_a_bad_row_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(BadRow, match=why):
        parse_row(text, 1)


def test_a_row_is_right_when_chosen_beats_every_rejected_one() -> None:
    rows = [
        parse_row(_line(id=str(nth), category=category, prompt=f"p{nth}", rejected=["a", "b", "c"][:n]), nth)
        for nth, (category, n) in enumerate([("chat", 1), ("chat", 3), ("chat", 3), ("safety", 1), ("safety", 1)])
    ]
    report = external_report(rows, [1.0, 1.0, 1.0, 0.0, 2.0], [[0.0], [0.0, 0.5, 2.0], [0.0, 0.5, 0.9], [0.0], [1.0]])
    by = {one["category"]: one for one in report["categories"]}
    assert by["chat"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert by["chat"]["chance"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert by["safety"]["accuracy"]["value"] == pytest.approx(0.75)  # level rewards count half
    assert report["accuracy"]["rows"]["value"] == pytest.approx(3.5 / 5)
    assert report["accuracy"]["categories"]["value"] == pytest.approx((2 / 3 + 0.75) / 2)
    assert (report["n_rows"], report["n_comparisons"]) == (5, 9)


def test_the_interval_of_the_mean_is_newcombes() -> None:
    """Of two categories: the mean of p and q is ½ + ½ (p − (1 − q)), whose interval statsmodels has for differences."""
    n = 400
    rows = [
        parse_row(_line(id=f"{category}{nth}", category=category, prompt=f"{category}{nth}"), 1)
        for category in "pq"
        for nth in range(n)
    ]
    right = np.concatenate([np.arange(n) < 300, np.arange(n) < 220])
    report = external_report(rows, right.astype(float).tolist(), [[0.5]] * (2 * n))
    low, high = confint_proportions_2indep(300, n, n - 220, n, method="newcomb", compare="diff")
    found = report["accuracy"]["categories"]
    # Not to more digits: a share's interval here has a t quantile and n − 1.
    assert (found["low"], found["high"]) == pytest.approx((0.5 + low / 2, 0.5 + high / 2), abs=5e-4)
    assert found["value"] == pytest.approx((300 + 220) / (2 * n))


@pytest.fixture(scope="module")
def model(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rm") / "model"
    made = RewardModel.from_base(str(tiny_base), head_std=1.0)
    made.metadata = {"format": "touchstone.reward_model/1", "max_length": 256}
    made.save(path)
    return path


def _config(model: Path, source: Path, target: Path) -> ExternalConfig:
    values = {"model": str(model), "input": str(source), "out": str(target), "n_threads": 1}
    return config_from_dict(ExternalConfig, values)


def test_the_external_verb_scores_the_good_rows_and_tells_the_bad_ones(model: Path, tmp_path: Path) -> None:
    good = [
        {
            "id": f"r{nth}",
            "category": "chat" if nth % 3 else "safety",
            "prompt": f"question {nth}",
            "chosen": f"an answer of {nth} words",
            "rejected": [f"no {word}" for word in ("one", "two", "three")[: 1 + nth % 3]],
        }
        for nth in range(300)
    ]
    lines = [json.dumps(row) for row in good]
    lines[2:2] = ["", "{broken", json.dumps(good[0])]
    source = tmp_path / "set.jsonl"
    source.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    result = external(_config(model, source, tmp_path / "report.json"), Reporter(io.StringIO()), StopFlag())
    report = json.loads((tmp_path / "report.json").read_text())
    assert [one["line"] for one in report["errors"]] == [4, 5]
    assert "line 1 too" in report["errors"][1]["message"]
    assert (report["n_rows"], report["n_bad_rows"]) == (result["n_rows"], result["n_bad_rows"]) == (300, 2)
    loaded = RewardModel.load(model)

    def reward(row: dict[str, Any], text: str) -> float:
        return loaded.score([([{"role": "user", "content": row["prompt"]}], text)])[0]

    some = [row for row in good if row["category"] == "safety"]
    hits = [float(reward(row, row["chosen"]) > max(reward(row, one) for one in row["rejected"])) for row in some]
    expected = share_stat(hits, np.arange(len(some)))
    found = next(one for one in report["categories"] if one["category"] == "safety")
    assert found["accuracy"] == expected


def test_a_file_without_a_good_row_says_why(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "set.jsonl"
    source.write_text("\n{}\n", encoding="utf-8")
    with pytest.raises(EngineError, match='line 2: "prompt" is missing'):
        external(_config(model, source, tmp_path / "report.json"), Reporter(io.StringIO()), StopFlag())
    source.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EngineError, match="not UTF-8"):
        external(_config(model, source, tmp_path / "report.json"), Reporter(io.StringIO()), StopFlag())
    with pytest.raises(EngineError, match="does not exist"):
        external(_config(model, tmp_path / "none.jsonl", tmp_path / "x"), Reporter(io.StringIO()), StopFlag())
