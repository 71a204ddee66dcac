from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tests.judge_server import JudgeServer, judge_server, likes_alpha, likes_the_first
from training.engine.common.cli import StopFlag
from training.engine.common.config import config_from_dict
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.progress import Reporter
from training.engine.judging import asking
from training.engine.judging.judge import Asked, JudgeConfig, judge
from training.engine.judging.local import LocalAsker

N = 6


@pytest.fixture
def comparisons(tmp_path: Path) -> Path:
    """Six comparisons, "alpha" and "beta" in turn as a."""
    path = tmp_path / "comparisons.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for number in range(N):
            a, b = ("alpha", "beta") if number % 2 == 0 else ("beta", "alpha")
            row = {
                "id": 100 + number,
                "messages": [{"role": "user", "content": f"Question {number}?"}],
                "a": f"{a} to {number}",
                "b": f"{b} to {number}",
                "principle": {"id": 7, "text": "Prefer what answers the question."},
            }
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture
def run(tmp_path: Path, comparisons: Path) -> Callable[..., dict[str, Any]]:
    def start(out: str = "out", stop: StopFlag | None = None, **fields: Any) -> dict[str, Any]:
        config = config_from_dict(
            JudgeConfig, {"comparisons": str(comparisons), "out_dir": str(tmp_path / out), "n_threads": 1, **fields}
        )
        return judge(config, Reporter(io.StringIO()), stop or StopFlag())

    return start


def rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(result["judgements"]).read_text().splitlines()]


def at(server: JudgeServer) -> dict[str, Any]:
    return {"endpoint_url": server.url, "endpoint_model": "judge-1"}


# --- an endpoint ----------------------------------------------------------------------------------------------------
def test_an_endpoint_with_an_opinion_is_asked_in_both_orders(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_alpha) as server:
        result = run(**at(server))
        assert len(server.bodies) == 2 * N
    found = rows(result)
    assert [row["id"] for row in found] == [100 + number for number in range(N)]
    assert [row["p_a"] for row in found] == pytest.approx([0.8, 0.2] * 3)
    assert all(row["p_first_order"] == pytest.approx(row["p_second_order"]) for row in found)
    assert all(row["principle"] == 7 and row["has_probabilities"] for row in found)
    assert (result["n_judged"], result["n_unanswered"], result["stopped_by"]) == (N, 0, None)
    assert result["n_tokens"] > 0


def test_one_that_likes_a_position_says_nothing(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_the_first) as server:
        found = rows(run(**at(server)))
    assert [row["p_a"] for row in found] == pytest.approx([0.5] * N)
    assert [row["p_first_order"] for row in found] == pytest.approx([0.9] * N)
    assert [row["p_second_order"] for row in found] == pytest.approx([0.1] * N)


def test_without_log_probabilities_the_letter_is_read(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_alpha, gives_logprobs=False) as server:
        found = rows(run(**at(server)))
    assert [row["p_a"] for row in found] == pytest.approx([0.75, 0.25] * 3)
    assert not any(row["has_probabilities"] for row in found)


def test_a_chain_of_thought_is_kept_and_its_probabilities_are_clamped(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_alpha) as server:
        found = rows(run(**at(server), chain_of_thought=True))
        conclusions = [body for body in server.bodies if len(body["messages"]) == 3]
        assert len(server.bodies) == 4 * N and len(conclusions) == 2 * N
    assert [row["p_a"] for row in found] == pytest.approx([0.6, 0.4] * 3)
    assert {row["rationale"] for row in found} == {"The first is to the point."}


def test_it_stops_at_the_budget_and_keeps_what_it_has(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_alpha) as server:
        result = run(**at(server), max_tokens=1, judgements_per_part=2)
        assert len(server.bodies) == 4
    assert result["stopped_by"] == "budget"
    assert len(rows(result)) == 2 == result["n_judged"]


def test_a_run_that_was_cut_short_asks_nothing_twice(run: Callable[..., dict[str, Any]]) -> None:
    with judge_server(likes_alpha, fails_after=8) as server:
        with pytest.raises(EngineError):
            run(**at(server), judgements_per_part=2, n_parallel=1)
        n_before = len(server.bodies)
        server.fails_after = None
        result = run(**at(server), judgements_per_part=2, n_parallel=1)
        assert len(server.bodies) - n_before == 4, "the last part of two, both orders"
    assert [row["p_a"] for row in rows(result)] == pytest.approx([0.8, 0.2] * 3)


def test_a_stop_takes_effect_between_parts(run: Callable[..., dict[str, Any]]) -> None:
    stop = StopFlag()
    stop.is_set = True
    with judge_server(likes_alpha) as server:
        with pytest.raises(StopRequested):
            run(**at(server), stop=stop)
        assert not server.bodies
        assert len(rows(run(**at(server)))) == N


def test_the_token_comes_from_the_environment(run: Callable[..., dict[str, Any]], monkeypatch: Any) -> None:
    monkeypatch.setenv("A_TOKEN", "open-sesame")
    with judge_server(likes_alpha) as server:
        run(**at(server), endpoint_token_env="A_TOKEN")
        assert server.tokens == {"Bearer open-sesame"}


# --- a model of this machine ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def local(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model of two small layers, with a window that a question fits in."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    directory = tmp_path_factory.mktemp("local-judge")
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def test_a_local_model_is_asked_for_its_next_token(run: Callable[..., dict[str, Any]], local: Path) -> None:
    """P(A) is the share of the tokens that spell A among those that spell A or B, computed here for one question at a
    time, without padding."""
    found = rows(run(model=str(local), batch_size=5, precision="fp32"))
    tokenizer, model = AutoTokenizer.from_pretrained(local), LlamaForCausalLM.from_pretrained(local)
    spelled = [tokenizer.decode([token]).strip(" (") for token in range(len(tokenizer))]
    letters = [[token for token, text in enumerate(spelled) if text == letter] for letter in ("A", "B")]
    assert all(letters)
    messages = [{"role": "user", "content": "Question 0?"}]
    shown = [("alpha to 0", "beta to 0"), ("beta to 0", "alpha to 0")]
    expected = []
    for first, second in shown:
        asked = asking.direct(asking.question(messages, first, second, "Prefer what answers the question."))
        text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            p = torch.softmax(model(ids).logits[0, -1], dim=0)
        of_a, of_b = (float(p[tokens].sum()) for tokens in letters)
        expected.append(of_a / (of_a + of_b))
    assert found[0]["p_first_order"] == pytest.approx(expected[0], abs=1e-4)
    assert found[0]["p_second_order"] == pytest.approx(1 - expected[1], abs=1e-4)
    assert found[0]["p_a"] == pytest.approx((expected[0] + 1 - expected[1]) / 2, abs=1e-4)
    assert len({round(row["p_first_order"], 6) for row in found}) > 1, "it looks at the texts"


def test_a_local_model_reasons_and_is_clamped(run: Callable[..., dict[str, Any]], local: Path) -> None:
    found = rows(run(model=str(local), chain_of_thought=True, max_thought_tokens=8))
    assert len(found) == N and all(0.4 <= row["p_a"] <= 0.6 for row in found)


def test_what_does_not_fit_is_not_asked(local: Path) -> None:
    config = JudgeConfig(comparisons="", out_dir="", model=str(local), n_threads=1)
    short, long = (
        Asked([{"role": "user", "content": "Which?"}], "one", text, "Prefer the true one.")
        for text in ("two", "x " * 2000)
    )
    fits, does_not = LocalAsker(config).ask([short, long])
    assert fits.p is not None and math.isfinite(fits.p) and fits.n_tokens > 0
    assert does_not.p is None


def test_it_says_what_is_wrong_with_its_input(run: Callable[..., dict[str, Any]], comparisons: Path) -> None:
    with pytest.raises(EngineError) as refusal:
        run()
    assert refusal.value.code == "bad_config"
    comparisons.write_text('{"id": 1, "messages": [{"role": "user", "content": "x"}], "a": "y"}\n')
    with pytest.raises(EngineError) as refusal:
        run(endpoint_url="http://127.0.0.1:9/v1")
    assert refusal.value.code == "bad_input" and "row 1" in refusal.value.message
