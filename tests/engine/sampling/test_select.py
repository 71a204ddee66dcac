"""`select` as the workers run it: a process, files in, files out."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.engine.conftest import real_comparisons
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError
from training.engine.common.progress import Reporter
from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior
from training.engine.sampling.select import SelectConfig, select


@pytest.fixture(scope="module")
def candidates(tmp_path_factory):
    """120 real prompts with two or three completions each."""
    prompts: dict[str, dict] = {}
    for one in real_comparisons("pandalm")[200:]:
        row = prompts.setdefault(json.dumps(one["prompt"]), {"messages": one["prompt"], "texts": []})
        row["texts"] += [side["text"] for side in one["completions"] if side["text"] not in row["texts"]]
    path = tmp_path_factory.mktemp("candidates") / "candidates.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for number, row in enumerate(list(prompts.values())[:120]):
            ids = [10 * number + place for place in range(len(row["texts"][:3]))]
            pairs = [[a, b] for a in ids for b in ids if a < b]
            if pairs:
                completions = [{"id": pk, "text": text} for pk, text in zip(ids, row["texts"][:3], strict=True)]
                made = {"prompt_id": number, "messages": row["messages"], "completions": completions, "pairs": pairs}
                file.write(json.dumps(made) + "\n")
    return path


@pytest.fixture
def config(trained_model, candidates, tmp_path):
    return {
        "model": str(trained_model),
        "candidates": str(candidates),
        "out_dir": str(tmp_path / "out"),
        "budget": 20,
        "n_threads": 1,
        "prompts_per_part": 10,
        "n_heads": 2000,
    }


def rows_of(result):
    return [json.loads(line) for line in Path(result["selected"]).read_text(encoding="utf-8").splitlines()]


def test_it_chooses_what_the_heads_disagree_on(engine, config, trained_model, candidates):
    code, events = engine.run("sampling", "select", config)
    assert code == 0, events
    result = events[-1]
    rows = rows_of(result)
    assert [row["rank"] for row in rows] == list(range(20))
    assert sum(row["is_random"] for row in rows) == result["n_random"] == 3

    model, posterior = RewardModel.load(trained_model), HeadPosterior.load(trained_model)
    gaps, variances = {}, {}
    for row in map(json.loads, candidates.read_text(encoding="utf-8").splitlines()):
        rewards, features = model.score_and_features([(row["messages"], one["text"]) for one in row["completions"]])
        place = {one["id"]: i for i, one in enumerate(row["completions"])}
        for a, b in row["pairs"]:
            gaps[a, b] = rewards[place[a]] - rewards[place[b]]
            variances[a, b] = posterior.gap_variance((features[place[a]] - features[place[b]])[None])[0]
    assert result["n_candidates"] == len(gaps)
    for row in rows:
        pair = row["a"], row["b"]
        assert row["terms"]["gap"] == pytest.approx(gaps[pair], abs=1e-4)
        assert row["terms"]["disagreement"] == pytest.approx(variances[pair], rel=0.2)
    by_rule = [variances[row["a"], row["b"]] for row in rows if not row["is_random"]]
    assert min(by_rule) > np.median(list(variances.values()))
    assert result["mean_disagreement_chosen"] > result["mean_disagreement"]


def test_a_finished_run_says_its_result_again(engine, config):
    first = engine.run("sampling", "select", config)[1][-1]
    again = engine.run("sampling", "select", config)
    assert again == (0, [first])


def test_a_killed_run_goes_on_and_chooses_the_same(engine, config, tmp_path):
    whole = rows_of(engine.run("sampling", "select", config)[1][-1])
    config |= {"out_dir": str(tmp_path / "second"), "prompts_per_part": 5}
    process = engine.start("sampling", "select", config)
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            process.send_signal(signal.SIGKILL)
            break
    process.wait(60)
    code, events = engine.run("sampling", "select", config)
    assert code == 0
    assert [(row["a"], row["b"]) for row in rows_of(events[-1])] == [(row["a"], row["b"]) for row in whole]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pairs": [[0, 0]]}, "no pair of two of its completions"),
        ({"pairs": []}, '"pairs" must be'),
        ({"completions": [{"id": 0}]}, '"completions" must be'),
        ({"prompt_id": None}, '"prompt_id" must be'),
        ({"messages": []}, '"messages" must be'),
    ],
)
def test_a_bad_row_is_named(config, tmp_path, change, says):
    row = {
        "prompt_id": 1,
        "messages": [{"role": "user", "content": "Hi"}],
        "completions": [{"id": 0, "text": "x"}, {"id": 1, "text": "y"}],
        "pairs": [[0, 1]],
    }
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | change) + "\n")
    with pytest.raises(EngineError) as caught, open(os.devnull, "w", encoding="utf-8") as quiet:
        select(config_from_dict(SelectConfig, config | {"candidates": str(path)}), Reporter(quiet), StopFlag())
    assert caught.value.code == "bad_input"
    assert "row 2" in caught.value.message and says in caught.value.message
