"""`report` as the workers run it: a process, files in, a report out."""

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
from training.engine.drift.report import ReportConfig, draw, report
from training.engine.reward.model import RewardModel
from training.engine.reward.posterior import HeadPosterior


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Of 150 real prompts: one completion, another one, and the other one in capitals and thrice as long."""
    root = tmp_path_factory.mktemp("sides")
    seen: dict[str, list[str]] = {}
    for one in real_comparisons("pandalm"):
        texts = seen.setdefault(json.dumps(one["prompt"]), [])
        texts += [side["text"] for side in one["completions"] if side["text"] not in texts]
    prompts = [(json.loads(prompt), texts) for prompt, texts in seen.items() if len(texts) > 1][:150]

    def rows(of):
        return [
            {"messages": m, "completion": of(texts), "group": json.dumps(m), "slices": {"language": ["en"]}}
            for m, texts in prompts
        ]

    return {
        "training": write(root / "training.jsonl", rows(lambda texts: texts[0])),
        "same": write(root / "same.jsonl", rows(lambda texts: texts[1])),
        "moved": write(root / "moved.jsonl", rows(lambda texts: "AND SO ON. " + 3 * texts[1].upper())),
    }


@pytest.fixture
def config(trained_model, sides, tmp_path):
    return {
        "model": str(trained_model),
        "training": str(sides["training"]),
        "policy": str(sides["moved"]),
        "out_dir": str(tmp_path / "out"),
        "n_threads": 1,
        "per_part": 50,
    }


def run(config) -> dict:
    with open(os.devnull, "w", encoding="utf-8") as quiet:
        result = report(config_from_dict(ReportConfig, config), Reporter(quiet), StopFlag())
    return json.loads(Path(result["report"]).read_text(encoding="utf-8"))


def test_completions_that_have_moved_are_a_strong_drift(engine, config, trained_model, sides):
    code, events = engine.run("drift", "report", config)
    assert code == 0, events
    assert events[-1]["verdict"] == "strong"
    found = json.loads(Path(events[-1]["report"]).read_text(encoding="utf-8"))
    assert found["n"]["policy"] == {"completions": 150, "prompts": 150, "used": 150}
    measures = {one["name"]: one for one in found["measures"]}
    assert set(measures) == {"classifier", "mmd", "lengths", "rewards", "outliers", "disagreement"}
    assert measures["lengths"]["level"] == "strong" and "stability index" in measures["lengths"]["sentence"]
    assert sum(found["lengths"]["policy"]) == pytest.approx(1)
    assert found["most_moved"]["kind"] == "language" and found["most_moved"]["value"] == "en"
    assert found["origin"]["known_share"] == 1
    assert found["origin"]["sentence"].startswith("The prompts are of the same kind. What is written")
    assert "has changed" in found["origin"]["sentence"]

    model, posterior = RewardModel.load(trained_model), HeadPosterior.load(trained_model)
    features = [
        model.features([(row["messages"], row["completion"]) for row in map(json.loads, sides[name].open())])
        for name in ("training", "moved")
    ]
    variances = [posterior.gap_variance(side - features[0].mean(axis=0)) for side in features]
    ratio = np.exp(np.log(variances[1]).mean() - np.log(variances[0]).mean())
    assert measures["disagreement"]["value"] == pytest.approx(ratio, rel=1e-3)


def test_other_completions_of_the_same_kind_are_none(config, sides):
    found = run(config | {"policy": str(sides["same"])})
    assert found["verdict"] == "none", found["measures"]
    assert found["most_moved"] is None


def test_too_few_prompts_say_nothing(config, sides, tmp_path):
    few = [json.loads(line) for line in sides["moved"].open()][:49]
    found = run(config | {"policy": str(write(tmp_path / "few.jsonl", few))})
    assert (found["verdict"], found["measures"], found["origin"]) == ("too_few", [], None)


def test_a_killed_run_goes_on_and_says_the_same(engine, config, tmp_path):
    whole = run(config)
    config |= {"out_dir": str(tmp_path / "second")}
    process = engine.start("drift", "report", config)
    for line in process.stdout:
        if json.loads(line)["event"] == "progress":
            process.send_signal(signal.SIGKILL)
            break
    process.wait(60)
    assert list((tmp_path / "second" / "parts").glob("*.npz"))
    assert run(config) == whole


def test_one_completion_a_prompt_is_drawn_whatever_the_order(tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": f"Question {i}"}], "completion": f"Text {j}"}
        for i in range(90)
        for j in range(3)
    ]
    first, counts = draw(str(write(tmp_path / "a.jsonl", rows)), 20)
    second, _ = draw(str(write(tmp_path / "b.jsonl", rows[::-1])), 20)
    assert first == second and len({row.group for row in first}) == 20
    assert counts == {"completions": 270, "prompts": 90, "used": 20}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"messages": []}, '"messages" must be'),
        ({"completion": 3}, '"completion" must be'),
        ({"group": 3}, '"group" must be'),
        ({"slices": {"tag": "x"}}, '"slices" must be'),
    ],
)
def test_a_bad_row_is_named(tmp_path, change, says):
    row = {"messages": [{"role": "user", "content": "Hi"}], "completion": "x"}
    with pytest.raises(EngineError) as caught:
        draw(str(write(tmp_path / "bad.jsonl", [row, row | change])), 10)
    assert caught.value.code == "bad_input"
    assert "row 2" in caught.value.message and says in caught.value.message
