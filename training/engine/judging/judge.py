"""`judge`: ask a language model which of two completions follows a principle better, in both orders."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from training.engine.common.atomic import sha256_file, write_json, write_text
from training.engine.common.cli import StopFlag
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.progress import Pace, Reporter
from training.engine.common.rows import read_rows, row_messages
from training.engine.judging import asking
from training.engine.lm.endpoint import ChatEndpoint


@dataclass(frozen=True)
class JudgeConfig:
    """Config of `judge`. Either `model` or `endpoint_url` is given."""

    comparisons: str = option(help='JSONL of {"id", "messages", "a", "b", "principle": {"id", "text"}}')
    out_dir: str = option(help="run directory; the judgements are written to OUT/judgements.jsonl")
    model: str | None = option(None, help="directory or hub id of a causal language model")
    endpoint_url: str | None = option(None, help="OpenAI-compatible endpoint, as https://host/v1")
    endpoint_model: str = option("", help="the model's name at the endpoint")
    endpoint_token_env: str = option("", help="environment variable that holds the endpoint's token")
    chain_of_thought: bool = option(False, help="have the judge reason first; probabilities are clamped to 40–60 %")
    max_thought_tokens: int = option(256, help="longest reasoning in tokens", at_least=8)
    max_prompt_tokens: int = option(4096, help="longer questions are not asked a local model", at_least=64)
    max_tokens: int | None = option(None, help="no further part is begun once so many tokens are used", at_least=1)
    judgements_per_part: int = option(32, help="judgements between two safe points", at_least=1)
    batch_size: int = option(8, help="questions in one forward pass of a local model", at_least=1)
    n_parallel: int = option(8, help="questions on their way to an endpoint at a time", at_least=1, at_most=64)
    device: str = option("auto", help="auto, cpu, cuda, cuda:0, …")
    precision: str = option("auto", help="bf16 where the hardware has it", choices=("auto", "fp32", "bf16"))
    n_threads: int = option(2, help="CPU threads", at_least=1)

    def validate(self) -> None:
        if (self.model is None) == (self.endpoint_url is None):
            raise EngineError("bad_config", "give either model or endpoint_url")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: a prompt's messages, its completions in the order shown, and the principle's text."""

    messages: list[dict[str, str]]
    first: str
    second: str
    principle: str

    @property
    def text(self) -> str:
        return asking.question(self.messages, self.first, self.second, self.principle)


@dataclass(frozen=True, slots=True)
class Answer:
    """p: P(the completion shown first is better), None where the judge did not say. thought: its reasons, if asked.

    has_probabilities: p comes from log-probabilities, not from a letter in a text.
    """

    p: float | None
    thought: str
    n_tokens: int
    has_probabilities: bool = True


class Asker(Protocol):
    """A judge that can be asked some questions at once."""

    def ask(self, questions: Sequence[Asked]) -> list[Answer]: ...


class EndpointAsker:
    """Asks an OpenAI-compatible endpoint. Once it has given no log-probabilities, they are not asked for again."""

    def __init__(self, config: JudgeConfig) -> None:
        token = os.environ.get(config.endpoint_token_env, "") if config.endpoint_token_env else ""
        self._endpoint = ChatEndpoint(config.endpoint_url or "", config.endpoint_model, token)
        self._config = config
        self._has_logprobs = True

    def ask(self, questions: Sequence[Asked]) -> list[Answer]:
        with ThreadPoolExecutor(self._config.n_parallel) as pool:
            return list(pool.map(self._ask, questions))

    def _ask(self, asked: Asked) -> Answer:
        thought, n_tokens = "", 0
        if self._config.chain_of_thought:
            first_turn = asking.thinking(asked.text)
            thought, n_tokens = self._complete(first_turn, self._config.max_thought_tokens)
            messages = asking.concluding(asked.text, thought)
        else:
            messages = asking.direct(asked.text)
        p, n_used, has_probabilities = self._letter(messages)
        return Answer(p, thought, n_tokens + n_used, has_probabilities)

    def _letter(self, messages: list[dict[str, str]]) -> tuple[float | None, int, bool]:
        n_asked = sum(asking.rough_tokens(message["content"]) for message in messages)
        if self._has_logprobs:
            try:
                p = asking.from_logprobs(self._endpoint.first_token_logprobs(messages, top=20))
            except EngineError as error:
                if error.code != "endpoint_no_logprobs":
                    raise
                self._has_logprobs = False
            else:
                if p is not None:
                    return p, n_asked + 1, True
        text, n_tokens = self._complete(messages, 16)
        return asking.from_text(text), n_tokens, False

    def _complete(self, messages: list[dict[str, str]], max_tokens: int) -> tuple[str, int]:
        """The text, and about how many tokens the question and it have."""
        (one,) = self._endpoint.complete(messages, n=1, temperature=0.0, top_p=1.0, max_tokens=max_tokens)
        n_asked = sum(asking.rough_tokens(message["content"]) for message in messages)
        return one.text, n_asked + (asking.rough_tokens(one.text) if one.n_tokens is None else one.n_tokens)


def judge(config: JudgeConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Write OUT/judgements.jsonl: {"id", "principle", "p_a", "p_first_order", "p_second_order", "rationale",
    "n_tokens", "has_probabilities"} for each row of the input, in its order.

    p_first_order and p_second_order are P(a is better) with a shown first and with b shown first; p_a is their mean.
    With a chain of thought each is clamped to 40–60 %. An order that was not answered counts ½, and is null; p_a is
    null where neither was. The rationale is that of the first order.
    Result: judgements (path), n_asked, n_judged, n_unanswered, n_tokens, stopped_by ("budget" where max_tokens was
    reached before the end, else null), seconds. Whole parts are kept when the run is stopped or killed.
    Raises EngineError: "bad_config", "input_not_found", "bad_input", and what the model or the endpoint raises.
    """
    config.validate()
    out, parts = Path(config.out_dir), Path(config.out_dir) / "parts"
    if not Path(config.comparisons).is_file():
        raise EngineError("input_not_found", f"the comparisons file {config.comparisons} does not exist")
    claim_run_directory(out, config, fingerprint={"comparisons": sha256_file(config.comparisons)})
    if (done := finished_result(out)) is not None:
        return done
    parts.mkdir(exist_ok=True)
    started = time.monotonic()
    n_asked = sum(1 for _ in read_rows(config.comparisons))
    rows = _checked(config.comparisons)
    asker: Asker | None = None
    pace: Pace | None = None
    n_done = n_tokens = 0
    paths: list[Path] = []
    stopped_by: str | None = None
    while chunk := list(itertools.islice(rows, config.judgements_per_part)):
        path = parts / f"part-{len(paths):06d}.jsonl"
        if not path.exists():
            if config.max_tokens is not None and n_tokens >= config.max_tokens:
                stopped_by = "budget"
                reporter.log(f"the budget of {config.max_tokens:,} tokens is used up", level="warning")
                break
            if stop.is_set:
                raise StopRequested
            asker, pace = asker or _asker(config), pace or Pace(done=n_done)
            judged = judge_rows(asker, chunk, chain_of_thought=config.chain_of_thought)
            write_text(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in judged))
        paths.append(path)
        n_tokens += sum(int(row["n_tokens"]) for row in read_rows(path))
        n_done += len(chunk)
        speed = f"{pace.rate(n_done):.1f} judgements/s, ETA {pace.eta(n_done, n_asked)}" if pace else "resumed"
        reporter.progress(
            "judge", n_done, n_asked, unit="judgements", message=speed, metrics={"tokens": float(n_tokens)}
        )
    n_judged = n_unanswered = 0
    temporary = out / "judgements.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        for path in paths:
            for row in read_rows(path):
                n_judged += row["p_a"] is not None
                n_unanswered += row["p_a"] is None
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(temporary, out / "judgements.jsonl")
    result = {
        "judgements": str(out / "judgements.jsonl"),
        "n_asked": n_asked,
        "n_judged": n_judged,
        "n_unanswered": n_unanswered,
        "n_tokens": n_tokens,
        "stopped_by": stopped_by,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    return result


def judge_rows(asker: Asker, rows: Sequence[dict[str, Any]], *, chain_of_thought: bool) -> list[dict[str, Any]]:
    """The judgements of some rows, each asked in both orders; see `judge` for what they hold."""
    questions: list[Asked] = []
    for row in rows:
        principle = row["principle"]["text"]
        questions += [
            Asked(row["messages"], row["a"], row["b"], principle),
            Asked(row["messages"], row["b"], row["a"], principle),
        ]
    answers = asker.ask(questions)
    judged = []
    for number, row in enumerate(rows):
        a_first, b_first = answers[2 * number], answers[2 * number + 1]
        first = a_first.p
        second = None if b_first.p is None else 1 - b_first.p
        if chain_of_thought:
            first, second = (None if p is None else asking.clamped(p) for p in (first, second))
        p_a = None
        if first is not None or second is not None:
            p_a = asking.both_orders(*(0.5 if p is None else p for p in (first, second)))
        judged.append(
            {
                "id": row["id"],
                "principle": row["principle"]["id"],
                "p_a": p_a,
                "p_first_order": first,
                "p_second_order": second,
                "rationale": a_first.thought,
                "n_tokens": a_first.n_tokens + b_first.n_tokens,
                "has_probabilities": a_first.has_probabilities and b_first.has_probabilities,
            }
        )
    return judged


def _asker(config: JudgeConfig) -> Asker:
    if config.endpoint_url is not None:
        return EndpointAsker(config)
    from training.engine.judging.local import LocalAsker

    return LocalAsker(config)


def _checked(path: str) -> Iterator[dict[str, Any]]:
    """Rows of the input. Raises EngineError "bad_input" naming the row and what was expected."""
    for number, row in enumerate(read_rows(path), start=1):
        where = f"{path} row {number}"
        row_messages(row, where)
        principle = row.get("principle")
        if not isinstance(row.get("id"), int) or not all(isinstance(row.get(side), str) for side in ("a", "b")):
            raise EngineError("bad_input", f'{where}: "id" must be a whole number, "a" and "b" must be text')
        if not isinstance(principle, dict) or not isinstance(principle.get("text"), str) or "id" not in principle:
            raise EngineError("bad_input", f'{where}: "principle" must be {{"id", "text"}}')
        yield row
