"""`ask`: completions of prompts from an OpenAI-compatible endpoint, as the rows that `generate` writes; resumable.

`python -m training.engine.lm.ask ask --config FILE` is the verb without torch, which takes seconds to load.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine.common.atomic import sha256_file
from training.engine.common.cli import StopFlag, Verb, run_main
from training.engine.common.config import claim_run_directory, finished_result, option
from training.engine.common.errors import EngineError, StopRequested
from training.engine.common.progress import Pace, Reporter
from training.engine.lm.endpoint import ChatEndpoint
from training.engine.lm.mix import Asked, MixPart, asked_batches, finish, keep_whole_batches, parts_of, sample_seed

CHARS_PER_TOKEN = 4
"""About what a token of running text has. There is no tokenizer here, so long prompts are cut by it."""


@dataclass(frozen=True)
class AskConfig:
    """Config of `ask`."""

    url: str = option(help="base URL of the endpoint, as in http://host:8000/v1")
    model: str = option(help="the name it serves the model under")
    prompts: str = option(help='JSONL or Parquet file of {"messages"} rows, "id" optional (else the row number)')
    out_dir: str = option(help="run directory; the completions are written to OUT/completions.jsonl")
    token_env: str = option("", help="environment variable that holds the endpoint's token; empty: no token")
    n_per_prompt: int = option(1, help="completions asked for each prompt", at_least=1)
    temperature: float = option(0.8, help="of the sampling", at_least=0)
    top_p: float = option(0.95, help="total probability of the tokens sampled among", above=0, at_most=1)
    mix: list[dict[str, Any]] = option(  # noqa: RUF009 - option gives a field, as above
        default_factory=list, help="parts, as in `generate`"
    )
    max_new_tokens: int = option(160, help="longest completion in tokens", at_least=1)
    max_prompt_tokens: int = option(4096, help="prompts of more than 4 characters a token of it are cut", at_least=8)
    seed: int = option(0, help="sent with each request, made of it, the prompt's id and the number", at_least=0)
    n_parallel: int = option(16, help="requests on their way at once", at_least=1)
    batch_size: int = option(64, help="completions between two safe points", at_least=1)
    timeout_s: float = option(600.0, help="longest wait for one answer", above=0)
    n_retries: int = option(8, help="how often a request is sent again", at_least=0)

    def validate(self) -> None:
        parts_of(self)


def ask(config: AskConfig, reporter: Reporter, stop: StopFlag) -> dict[str, Any]:
    """Ask; rows and result as of `generate`, "mean_logprob" null, "n_tokens" null where the server does not count.

    A prompt that the endpoint refuses (too long for it, against its rules) gets a row with an empty text and
    finish_reason "refused"; a whole first batch of refusals ends the run with the first one. Raises EngineError as
    ChatEndpoint does, after its retries. A run that is stopped or killed keeps whole batches and goes on after them.
    """
    out = Path(config.out_dir)
    if not Path(config.prompts).is_file():
        raise EngineError("input_not_found", f"the prompts file {config.prompts} does not exist")
    claim_run_directory(out, config, fingerprint={"prompts": sha256_file(config.prompts)})
    if (done := finished_result(out)) is not None:
        return done
    started = time.monotonic()
    parts = parts_of(config)
    batches = asked_batches(config.prompts, parts, config.batch_size)
    n_jobs = sum(map(len, batches))
    partial = out / "completions.jsonl.part"
    n_batches = keep_whole_batches(partial, [len(batch) for batch in batches])
    n_done = sum(len(batch) for batch in batches[:n_batches])
    if n_done:
        reporter.log(f"resumed after {n_done} of {n_jobs} completions")
    pace = Pace(done=n_done)

    def pause(seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            if stop.is_set:
                raise StopRequested
            time.sleep(min(0.2, left))

    endpoint = ChatEndpoint(
        config.url,
        config.model,
        os.environ.get(config.token_env, "") if config.token_env else "",
        timeout_s=config.timeout_s,
        n_retries=config.n_retries,
        pause=pause,
    )
    with endpoint, ThreadPoolExecutor(config.n_parallel) as threads, open(partial, "a", encoding="utf-8") as file:
        for number, batch in enumerate(batches[n_batches:], start=n_batches):
            if stop.is_set:
                raise StopRequested
            part = parts[batch[0].part]
            answers = list(threads.map(lambda one, part=part: _answer(endpoint, config, part, one), batch))
            refusals = [answer for answer in answers if isinstance(answer, EngineError)]
            if number == 0 and len(refusals) == len(batch):
                raise refusals[0]
            for asked, answer in zip(batch, answers, strict=True):
                fields = {"completion": "", "n_tokens": 0, "finish_reason": "refused"}
                if not isinstance(answer, EngineError):
                    fields = answer
                file.write(asked.row(**fields, mean_logprob=None))
            if refusals:
                reporter.log(f"{len(refusals)} refused: {refusals[0].message}", level="warning")
            file.flush()
            os.fsync(file.fileno())
            n_done += len(batch)
            reporter.progress(
                "ask",
                n_done,
                n_jobs,
                unit="completions",
                message=f"{pace.rate(n_done):.1f} completions/s, ETA {pace.eta(n_done, n_jobs)}",
            )
    return finish(out, partial, n_jobs, sum(part.n_per_prompt for part in parts), started)


def _answer(endpoint: ChatEndpoint, config: AskConfig, part: MixPart, asked: Asked) -> dict[str, Any] | EngineError:
    messages = cut_messages(part.asked(asked.messages), CHARS_PER_TOKEN * config.max_prompt_tokens)
    try:
        (found,) = endpoint.complete(
            messages,
            temperature=part.temperature,
            top_p=part.top_p,
            max_tokens=config.max_new_tokens,
            # Servers want a signed 32-bit number at most.
            seed=sample_seed(config.seed, asked.prompt_id, asked.index) % 2**31,
        )
    except EngineError as error:
        if error.code == "endpoint_refused":
            return error
        raise
    return {"completion": found.text.strip(), "n_tokens": found.n_tokens, "finish_reason": found.finish_reason}


def cut_messages(messages: Sequence[dict[str, str]], max_chars: int) -> list[dict[str, str]]:
    """The end of the messages in `max_chars` characters, since the end of a prompt matters most, as in `generate`.

    Leading system messages are kept whole as long as they leave half of the room.
    """
    if sum(len(message["content"]) for message in messages) <= max_chars:
        return list(messages)
    n_system = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    system = list(messages[:n_system])
    room = max_chars - sum(len(message["content"]) for message in system)
    if room < max_chars // 2:
        system, room = [], max_chars
    kept: list[dict[str, str]] = []
    for message in reversed(messages[len(system) :]):
        if room <= 0:
            break
        kept.insert(0, {**message, "content": message["content"][-room:]})
        room -= len(message["content"])
    return system + kept


if __name__ == "__main__":
    run_main("lm.ask", {"ask": Verb(AskConfig, ask, "completions of prompts from an OpenAI-compatible endpoint")})
