"""`select` as the workers run it: a process, files in, files out."""

import json
import os
import signal
from collections import Counter
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
from training.engine.sampling.scoring import ScoreConfig, ScoredPool, projection, score
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
        "acquisition": "disagreement",
        "prompt_rule": "value",
        "budget": 20,
        "n_threads": 1,
        "prompts_per_part": 10,
        "n_heads": 2000,
    }


def run(verb, values):
    """A verb in this process; the config as it is read from a file."""
    config_class, function = {"select": (SelectConfig, select), "score": (ScoreConfig, score)}[verb]
    with open(os.devnull, "w", encoding="utf-8") as quiet:
        return function(config_from_dict(config_class, values), Reporter(quiet), StopFlag())


@pytest.fixture(scope="module")
def labelled(candidates, tmp_path_factory):
    """The first 30 candidate prompts are labelled, and 20 that are no candidates; one row has no ratings yet."""
    path = tmp_path_factory.mktemp("labelled") / "labelled.jsonl"
    rows = [json.loads(line) for line in candidates.read_text(encoding="utf-8").splitlines()]
    made = [{"prompt_id": row["prompt_id"], "messages": row["messages"], "n": 2} for row in rows[:30]]
    made += [
        {"prompt_id": 1000 + number, "messages": [{"role": "user", "content": f"Name {number} things."}], "n": 1}
        for number in range(20)
    ]
    made.append({"prompt_id": rows[40]["prompt_id"], "messages": rows[40]["messages"], "n": 0})
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


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


def test_a_killed_run_goes_on_and_chooses_the_same(engine, config, labelled, tmp_path):
    config |= {**ALL_OPTIONS, "labelled": str(labelled)}
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
    with pytest.raises(EngineError) as caught:
        run("select", config | {"candidates": str(path)})
    assert caught.value.code == "bad_input"
    assert "row 2" in caught.value.message and says in caught.value.message


@pytest.mark.parametrize("change", [{"prompt_id": "x"}, {"n": None}, {"messages": []}])
def test_a_bad_labelled_row_is_named(config, tmp_path, change):
    row = {"prompt_id": 1, "messages": [{"role": "user", "content": "Hi"}], "n": 1}
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | change) + "\n")
    with pytest.raises(EngineError) as caught:
        run("select", config | {"labelled": str(path)})
    assert caught.value.code == "bad_input"
    assert "row 2" in caught.value.message and f'"{next(iter(change))}" must be' in caught.value.message


ALL_OPTIONS = {
    "acquisition": "delta_ucb",
    "prompt_rule": "bal_pm",
    "diversity": "quotas",
    "n_clusters": 6,
    "max_cluster_share": 0.4,
    "n_heads": 16,
}


def test_shards_choose_what_one_worker_chooses(config, labelled, tmp_path):
    config |= {**ALL_OPTIONS, "labelled": str(labelled)}
    whole = run("select", config)
    shared = {name: config[name] for name in ("model", "candidates", "labelled", "n_heads", "prompts_per_part")}
    shards = []
    for number in range(3):
        scored = run("score", shared | {"out_dir": str(tmp_path / f"{number}"), "shard": number, "n_shards": 3})
        shards.append(scored["scored"])
        assert 0 < scored["n_parts"] < 12
    chooser = {name: config[name] for name in (*ALL_OPTIONS, "budget")} | {"scored": shards}
    joined = run("select", chooser | {"out_dir": str(tmp_path / "joined")})
    assert Path(joined["selected"]).read_bytes() == Path(whole["selected"]).read_bytes()
    assert joined["coverage"] == whole["coverage"]

    with pytest.raises(EngineError) as caught:
        run("select", chooser | {"out_dir": str(tmp_path / "two"), "scored": shards[:2]})
    assert caught.value.code == "scored_incomplete"
    other = run("score", shared | {"out_dir": str(tmp_path / "other"), "shard": 2, "n_shards": 3, "seed": 9})
    with pytest.raises(EngineError) as caught:
        run("select", chooser | {"out_dir": str(tmp_path / "mixed"), "scored": [*shards[:2], other["scored"]]})
    assert caught.value.code == "scored_mismatch" and "seed" in caught.value.message


def test_pieces_of_the_pool_choose_what_the_whole_pool_chooses(config, candidates, labelled, tmp_path):
    config |= {**ALL_OPTIONS, "labelled": str(labelled)}
    whole = run("select", config)
    shared = {name: config[name] for name in ("model", "n_heads", "prompts_per_part")}
    lines = {path: path.read_text(encoding="utf-8").splitlines(keepends=True) for path in (candidates, labelled)}
    assert len(lines[candidates]) > 100 and len(lines[labelled]) == 51  # the last piece has no labelled prompts
    pieces = []
    for number in range(4):
        given = {"out_dir": str(tmp_path / f"{number}")}
        for name, path in (("candidates", candidates), ("labelled", labelled)):
            given[name] = str(tmp_path / f"{name}-{number}.jsonl")
            Path(given[name]).write_text("".join(lines[path][40 * number : 40 * number + 40]), encoding="utf-8")
        pieces.append(run("score", shared | given)["scored"])
    chooser = {name: config[name] for name in (*ALL_OPTIONS, "budget")}
    joined = run("select", chooser | {"out_dir": str(tmp_path / "joined"), "pieces": pieces})
    assert Path(joined["selected"]).read_bytes() == Path(whole["selected"]).read_bytes()
    assert joined["coverage"] == whole["coverage"]

    swapped = run("select", chooser | {"out_dir": str(tmp_path / "swapped"), "pieces": pieces[::-1]})
    assert Path(swapped["selected"]).read_bytes() != Path(whole["selected"]).read_bytes()  # their order is the pool's
    (tmp_path / "3" / "scored.json").unlink()
    with pytest.raises(EngineError) as caught:
        run("select", chooser | {"out_dir": str(tmp_path / "three"), "pieces": pieces})
    assert caught.value.code == "scored_incomplete"
    other = run("score", shared | given | {"out_dir": str(tmp_path / "other"), "seed": 9})
    with pytest.raises(EngineError) as caught:
        run("select", chooser | {"out_dir": str(tmp_path / "mixed"), "pieces": [*pieces[:3], other["scored"]]})
    assert caught.value.code == "scored_mismatch" and "seed" in caught.value.message


def test_coverage_counts_what_is_labelled_and_what_is_chosen(config, candidates, labelled):
    result = run("select", config | ALL_OPTIONS | {"labelled": str(labelled)})
    rows, chosen = result["coverage"], rows_of(result)
    ids = {json.loads(line)["prompt_id"] for line in candidates.read_text(encoding="utf-8").splitlines()}
    before = {row["prompt_id"] for row in map(json.loads, labelled.read_text().splitlines()) if row["n"]}
    assert result["n_clusters"] == len(rows) == 6 and result["coverage_rest"] is None
    assert sum(row["n_prompts"] for row in rows) == len(ids | before)
    assert sum(row["before"] for row in rows) == 50
    assert sum(row["after"] for row in rows) == len(before | {row["prompt_id"] for row in chosen})
    counts = Counter(row["cluster"] for row in chosen)
    assert {row["cluster"]: row["chosen"] for row in rows} == {number: counts[number] for number in range(6)}
    assert max(counts.values()) <= 8  # 0.4 of 20
    assert {row["example"] for row in rows} <= ids | before
    by_rule = [row["terms"] for row in chosen if not row["is_random"]]
    assert all({"upper", "lower", "uncertainty", "entropy", "density"} <= terms.keys() for terms in by_rule)
    assert all(terms["upper"] - terms["lower"] == pytest.approx(terms["acquisition"]) for terms in by_rule)


@pytest.mark.parametrize("prompt_rule", ["uniform", "badge", "v_optimal"])
@pytest.mark.parametrize("diversity", ["k_centre", "facility_location"])
def test_every_combination_runs_on_a_real_model(config, tmp_path, prompt_rule, diversity):
    config |= {"acquisition": "drts", "prompt_rule": prompt_rule, "diversity": diversity, "n_heads": 8}
    rows = rows_of(run("select", config))
    assert len({(row["a"], row["b"]) for row in rows}) == 20
    term = {"k_centre": "distance", "facility_location": "gain"}[diversity]
    assert all(term in row["terms"] for row in rows if not row["is_random"])


def test_a_prompt_looks_like_itself_whatever_its_file(config, candidates, tmp_path):
    """Labelled and candidate rows of one prompt have the same features, so they are 0 apart."""
    rows = [json.loads(line) for line in candidates.read_text(encoding="utf-8").splitlines()][:10]
    path = tmp_path / "same.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt_id": r["prompt_id"], "messages": r["messages"], "n": 1}) + "\n" for r in rows)
    )
    result = run("select", config | {"labelled": str(path), "n_heads": 8})
    pool = ScoredPool([Path(result["selected"]).parent])
    mine = pool.column("prompt_features")[:10].astype(np.float32)
    assert pool.column("prompt_features", labelled=True).astype(np.float32) == pytest.approx(mine, abs=2e-2)


def test_there_must_be_something_to_choose_from(config, tmp_path):
    both = {"out_dir": "x", "scored": ["y"], "pieces": ["z"]}
    beside = (config | {"scored": ["y"]}, config | {"pieces": ["y"]})
    for values in ({"out_dir": "x"}, {"out_dir": "x", "model": "m"}, *beside, both):
        with pytest.raises(EngineError) as caught:
            config_from_dict(SelectConfig, values)
        assert caught.value.code == "bad_config"


def test_a_projection_keeps_distances():
    points = np.random.default_rng(0).normal(size=(60, 2000))
    reduced = points @ projection(2000)
    apart, kept = (np.linalg.norm(x[:30] - x[30:], axis=1) for x in (points, reduced))
    assert kept / apart == pytest.approx(np.ones(30), abs=0.25)
    assert np.array_equal(projection(2000), projection(2000))
    assert projection(64) is None
