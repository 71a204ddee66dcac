"""Mixes: several ways to sample in one run, from a model and from an endpoint, and the best of many."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.lm.served import chat_server
from tests.training.reward.registered import save_models
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import ConfigError, EngineError, StopRequested
from training.engine.common.progress import Reporter
from training.engine.lm.ask import AskConfig, ask, cut_messages
from training.engine.lm.best import ChooseBestConfig, choose_best, keep_best
from training.engine.lm.generate import GenerateConfig, generate
from training.engine.lm.mix import MixPart
from training.engine.reward.model import RewardModel

MIX = [{"n_per_prompt": 2, "temperature": 0.0}, {"n_per_prompt": 1, "temperature": 1.5, "system": "Be brief."}]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    rows = [{"id": f"p{n}", "messages": [{"role": "user", "content": f"Name {n} trees"}]} for n in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(verb: Any, config_class: Any, values: dict[str, Any], stop: StopFlag | None = None) -> list[dict[str, Any]]:
    result = verb(config_from_dict(config_class, values), Reporter(io.StringIO()), stop or StopFlag())
    return [json.loads(line) for line in Path(result["completions"]).read_text(encoding="utf-8").splitlines()]


def sampled(tiny_base: Path, prompts: Path, out: Path, **more: Any) -> dict[str, Any]:
    values = {"model": str(tiny_base), "prompts": str(prompts), "out_dir": str(out), "mix": MIX, "batch_size": 4}
    return values | {"max_new_tokens": 8, "precision": "fp32", "n_threads": 1, "fits_window": True} | more


def test_one_model_samples_every_part_and_resumes_to_the_same_texts(
    tiny_base: Path, prompts: Path, tmp_path: Path
) -> None:
    rows = run(generate, GenerateConfig, sampled(tiny_base, prompts, tmp_path / "whole"))
    assert [(row["id"], row["part"], row["sample_index"]) for row in rows] == [
        *((f"p{n}", 0, index) for n in range(5) for index in range(2)),
        *((f"p{n}", 1, 2) for n in range(5)),
    ]
    assert rows[0]["completion"] == rows[1]["completion"]  # at temperature 0
    assert rows[0]["messages"] == [{"role": "user", "content": "Name 0 trees"}]
    broken = tmp_path / "broken"
    broken.mkdir()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    # 10 + 5 completions in batches of 4: 4, 4, 2, 4, 1. Killed inside the fourth, which is written anew.
    (broken / "completions.jsonl.part").write_text("".join(lines[:12]) + lines[12][:20], encoding="utf-8")
    assert run(generate, GenerateConfig, sampled(tiny_base, prompts, broken)) == rows


def test_a_part_is_what_it_is_alone(tiny_base: Path, prompts: Path, tmp_path: Path) -> None:
    mixed = run(generate, GenerateConfig, sampled(tiny_base, prompts, tmp_path / "mixed"))
    alone = sampled(tiny_base, prompts, tmp_path / "alone", mix=[], n_per_prompt=2, temperature=0.0)
    assert run(generate, GenerateConfig, alone) == mixed[:10]


def test_a_bad_part_is_named() -> None:
    values = {"model": "m", "prompts": "p", "out_dir": "o", "mix": [{}, {"top_p": 2}]}
    with pytest.raises(ConfigError, match=r"mix\[1\].top_p"):
        config_from_dict(GenerateConfig, values)
    with pytest.raises(ConfigError, match=r"mix\[1\].top_p"):
        config_from_dict(AskConfig, {"url": "u", **values})


def test_completions_longer_than_the_window_are_refused(tiny_base: Path, prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="max_new_tokens: 250 leave no room"):
        run(generate, GenerateConfig, sampled(tiny_base, prompts, tmp_path / "out", max_new_tokens=250))


def test_a_system_prompt_joins_one_that_is_there() -> None:
    part = MixPart(system="Be wrong.")
    user = {"role": "user", "content": "Why?"}
    assert part.asked([user]) == [{"role": "system", "content": "Be wrong."}, user]
    assert part.asked([{"role": "system", "content": "Be kind."}, user]) == [
        {"role": "system", "content": "Be wrong.\n\nBe kind."},
        user,
    ]
    assert MixPart().asked([user]) == [user]


def test_an_endpoint_writes_the_same_rows_and_resumes(prompts: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TREE_TOKEN", "s3cret")
    with chat_server() as server:

        def values(name: str) -> dict[str, Any]:
            asked = {"url": server.url, "model": "m", "token_env": "TREE_TOKEN", "batch_size": 4, "mix": MIX}
            return {**asked, "prompts": str(prompts), "out_dir": str(tmp_path / name)}

        rows = run(ask, AskConfig, values("whole"))
        assert [(row["id"], row["part"], row["sample_index"]) for row in rows][9:11] == [("p4", 0, 1), ("p0", 1, 2)]
        assert len({row["completion"] for row in rows}) == len(rows) == 15
        assert all(row["n_tokens"] == 5 and row["finish_reason"] == "stop" for row in rows)
        assert {header["Authorization"] for header in server.headers} == {"Bearer s3cret"}
        (tmp_path / "broken").mkdir()
        lines = (tmp_path / "whole" / "completions.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "broken" / "completions.jsonl.part").write_bytes(b"".join(lines[:9]))
        server.requests.clear()
        assert run(ask, AskConfig, values("broken")) == rows
        assert len(server.requests) == 15 - 8
        stop = StopFlag()
        stop.is_set = True
        with pytest.raises(StopRequested):
            run(ask, AskConfig, values("stopped"), stop)


def test_what_an_endpoint_refuses_is_a_row_and_refusing_all_is_an_error(prompts: Path, tmp_path: Path) -> None:
    with chat_server() as server:
        values = {"url": server.url, "model": "m", "prompts": str(prompts), "n_parallel": 1}
        server.planned.append((400, "too long"))
        rows = run(ask, AskConfig, {**values, "out_dir": str(tmp_path / "one")})
        assert [row["finish_reason"] for row in rows] == ["refused", "stop", "stop", "stop", "stop"]
        server.planned.extend([(400, "no such model")] * 5)
        with pytest.raises(EngineError, match="no such model"):
            run(ask, AskConfig, {**values, "out_dir": str(tmp_path / "all")})


def test_long_prompts_keep_their_end_and_their_system_prompt() -> None:
    system, first, last = (
        {"role": role, "content": text} for role, text in (("system", "s" * 4), ("user", "abcdef"), ("user", "xyz"))
    )
    assert cut_messages([system, first, last], 13) == [system, first, last]
    assert cut_messages([system, first, last], 10) == [system, {"role": "user", "content": "def"}, last]
    assert cut_messages([system, first, last], 5) == [{"role": "user", "content": "ef"}, last]
    assert cut_messages([last], 2) == [{"role": "user", "content": "yz"}]


def test_the_best_are_those_of_the_highest_worth() -> None:
    rewards, disagreement = np.array([1.0, 3.0, 3.0, 2.0]), np.array([9.0, 0.0, 1.0, 5.0])
    assert keep_best(rewards, disagreement, n=3, by="reward") == [1, 2, 3]
    assert keep_best(rewards, disagreement, n=2, by="disagreement") == [0, 3]


def test_best_of_n_keeps_what_the_reward_model_says(tiny_base: Path, tmp_path: Path) -> None:
    """By the rewards computed one by one; a part that is not chosen in stays whole; empty texts are never kept."""
    directory = save_models(tiny_base, tmp_path / "rm")["single"]
    texts = ["An oak.", "A lime tree and its leaves", "", "No idea at all"]
    rows: list[dict[str, Any]] = [
        {"id": f"p{n}", "messages": [{"role": "user", "content": f"Name {n} trees"}], "part": part}
        | {"sample_index": index, "completion": text, "n_tokens": 3}
        for part in (0, 1)
        for n in range(3)
        for index, text in enumerate(texts)
    ]
    path = tmp_path / "completions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {"model": str(directory), "completions": str(path), "prompts_per_batch": 2, "n_threads": 1}
    for by in ("reward", "disagreement"):
        best = [{"part": 1, "n": 2, "by": by}]
        kept = run(choose_best, ChooseBestConfig, {**values, "out_dir": str(tmp_path / by), "best": best})
        assert kept[:12] == rows[:12]
        chosen = kept[12:]
        assert [row["id"] for row in chosen] == ["p0", "p0", "p1", "p1", "p2", "p2"]
        assert all(row["part"] == 1 and row["n_candidates"] == 3 and row["completion"] for row in chosen)
        assert all(first[by] >= second[by] for first, second in zip(chosen[::2], chosen[1::2], strict=True))
        if by == "reward":
            model = RewardModel.load(str(directory))
            alone = [model.score_and_features([(rows[0]["messages"], text)])[0][0] for text in texts if text]
            expected = sorted((float(value) for value in alone), reverse=True)[:2]
            assert [row["reward"] for row in chosen[:2]] == pytest.approx(expected, abs=1e-4)
