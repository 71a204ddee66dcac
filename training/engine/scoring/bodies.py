"""What clients send and get: our own body, and those of servers that trainers already know.

Each format turns a body into the same `Ask` (a model and items of one prompt and its completions) and the rewards of
one into its own answer. `reward_url` is the body that OpenRLHF's `remote_rm_url` sends; `classify` and `score` are
those of vLLM's endpoints of that name.
"""

from __future__ import annotations

import dataclasses
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_COMPLETIONS = 10_000
Json = dict[str, Any]


class Problem(Exception):
    """What is wrong with a request."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


@dataclass(frozen=True)
class Item:
    """One prompt and its completions: as messages, or (`rendered`) as text that a chat template has made.

    `problem` says why it is not to be scored; then the rest is empty.
    """

    messages: list[dict[str, str]] = field(default_factory=list)
    rendered: str | None = None
    completions: list[str] = field(default_factory=list)
    is_safety_prompt: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Ask:
    """A request of any format. `too_long` is None where the server's own setting holds."""

    model: str
    items: list[Item]
    too_long: str | None = None
    deadline_s: float | None = None
    distances: bool = False
    raw: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """An item's answer, n completions: lists of n numbers; of n lists of k for `members`, None for one member.

    `by_model` has the rewards of each model where several are combined; `distances`, where asked for, the share of the
    model's training texts that lie nearer to its middle. `problem` as in `Item`, with its code.
    """

    rewards: list[float] = field(default_factory=list)
    n_tokens: list[int] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    members: list[list[float]] | None = None
    uncertainty: list[float] | None = None
    calibrated: list[float] | None = None
    by_model: dict[str, list[float]] | None = None
    distances: list[float] | None = None
    code: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Result:
    """Everything that an answer says."""

    model: str
    version: int | None
    models: list[Json]
    items: list[Scored]


# --- our own ---
def read_own(body: Json) -> Ask:
    """{"model", "items": [{"messages", "completions", "is_safety_prompt"}], "too_long", "deadline_ms",
    "distances"}."""
    model = body.get("model")
    if not isinstance(model, str):
        raise Problem(
            422, "bad_request", '"model" must be text: the name of a project, name@version, or two joined by +.'
        )
    raw = body.get("items")
    if not isinstance(raw, list) or not raw:
        raise Problem(422, "bad_request", '"items" must be a list of at least one {"messages", "completions"}.')
    _at_most(len(raw))
    _at_most(
        sum(
            len(item["completions"])
            for item in raw
            if isinstance(item, dict) and isinstance(item.get("completions"), list)
        )
    )
    distances = body.get("distances", False)
    if not isinstance(distances, bool):
        raise Problem(422, "bad_request", '"distances" must be true or false.')
    return Ask(model, [_own_item(item) for item in raw], _too_long(body), _deadline_s(body), distances)


def _own_item(item: Any) -> Item:
    if problem := _problem_of(item):
        return Item(problem=problem)
    messages = [{"role": one["role"], "content": one["content"]} for one in item["messages"]]
    return Item(messages, None, item["completions"], bool(item.get("is_safety_prompt")))


def _problem_of(item: Any) -> str:
    """What is wrong with an item of a request, "" when nothing is."""
    if not isinstance(item, dict):
        return 'Expected an object {"messages", "completions"}.'
    messages, completions = item.get("messages"), item.get("completions")
    if not isinstance(messages, list) or not messages:
        return '"messages" must be a list of at least one {"role", "content"}.'
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not all(_is_text(message.get(key)) for key in ("role", "content")):
            return f'messages[{place}]: expected {{"role", "content"}}, both text.'
    if not isinstance(completions, list) or not completions:
        return '"completions" must be a list of at least one text.'
    for place, completion in enumerate(completions):
        if not _is_text(completion) or not completion:
            return f"completions[{place}]: expected a text that is not empty."
    if not isinstance(item.get("is_safety_prompt", False), bool):
        return '"is_safety_prompt" must be true or false.'
    return ""


def write_own(result: Result, _: Ask) -> Json:
    return {
        "model": result.model,
        "version": result.version,
        "models": result.models,
        "items": [_own_answer(item) for item in result.items],
    }


def _own_answer(item: Scored) -> Json:
    if item.problem:
        return {"error": {"code": item.code, "message": item.problem}}
    answer: Json = {
        "rewards": item.rewards,
        "n_tokens": item.n_tokens,
        "truncated": item.truncated,
        "members": item.members,
        "uncertainty": item.uncertainty,
        "calibrated": item.calibrated,
    }
    if item.by_model is not None:
        answer["by_model"] = {name: {"rewards": rewards} for name, rewards in item.by_model.items()}
    if item.distances is not None:
        answer["distances"] = item.distances
    return answer


# --- OpenRLHF's remote_rm_url ---
def read_reward_url(body: Json) -> Ask:
    """{"query": [prompt and completion as one rendered text], "prompts": [the rendered prompt of each]}, "labels"."""
    queries, prompts = body.get("query"), body.get("prompts")
    if not isinstance(queries, list) or not queries:
        raise Problem(422, "bad_request", '"query" must be a list of at least one text.')
    if prompts is not None and (not isinstance(prompts, list) or len(prompts) != len(queries)):
        raise Problem(422, "bad_request", '"prompts" must be a list with a prompt for each of "query".')
    _at_most(len(queries))
    items = [_query_item(query, prompts[place] if prompts else "", place) for place, query in enumerate(queries)]
    return Ask(_model_name(body), _joined(items), _too_long(body), _deadline_s(body))


def _query_item(query: Any, prompt: Any, place: int) -> Item:
    if not _is_text(query) or not query:
        return Item(problem=f"query[{place}]: expected a text that is not empty.")
    if not _is_text(prompt):
        return Item(problem=f"prompts[{place}]: expected a text.")
    if prompt and query == prompt:
        return Item(problem=f"query[{place}]: there is no completion after the prompt.")
    # Cut at the prompt, so that completions of one prompt share it and both are tokenised as in training. A trainer
    # that decodes its tokens may spell the beginning otherwise; then the whole is one text.
    if prompt and query.startswith(prompt):
        return Item(rendered=prompt, completions=[query[len(prompt) :]])
    return Item(rendered="", completions=[query])


def _joined(items: list[Item]) -> list[Item]:
    """Neighbours of one prompt as one item, whose prompt is rendered and tokenised once."""
    found: list[Item] = []
    for item in items:
        last = found[-1] if found else None
        is_like = last is not None and (last.rendered, last.messages) == (item.rendered, item.messages)
        if last is not None and is_like and not (item.problem or last.problem):
            last.completions.extend(item.completions)
        else:
            found.append(dataclasses.replace(item, completions=[*item.completions]))
    return found


def write_reward_url(result: Result, _: Ask) -> Json:
    """{"rewards": […]}; "scores" are the same rewards, which OpenRLHF reads for its filters."""
    rewards, truncated = _flat(result.items)
    logs = {"truncated": [float(one) for one in truncated]}
    return {"rewards": rewards, "scores": rewards, "extra_logs": logs, "model": _label(result)}


# --- vLLM's /classify and /score ---
def read_classify(body: Json) -> Ask:
    """{"model", "input": text or texts, rendered} or {"model", "messages"}: the last turn is the completion."""
    if "messages" in body:
        return Ask(_model_name(body), [_conversation(body["messages"])], _too_long(body), _deadline_s(body), raw=body)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Problem(422, "bad_request", '"input" must be a text or a list of at least one.')
    _at_most(len(texts))
    items = [_input_item(text, place) for place, text in enumerate(texts)]
    return Ask(_model_name(body), items, _too_long(body), _deadline_s(body), raw=body)


def _input_item(text: Any, place: int) -> Item:
    if not _is_text(text) or not text:
        return Item(problem=f"input[{place}]: expected a text that is not empty.")
    return Item(rendered="", completions=[text])


def _conversation(messages: Any) -> Item:
    if not isinstance(messages, list) or len(messages) < 2:
        return Item(problem='"messages" must be a list of a prompt and, as its last, the completion.')
    last = messages[-1]
    content = last.get("content") if isinstance(last, dict) else None
    return _own_item({"messages": messages[:-1], "completions": [content]})


def write_classify(result: Result, ask: Ask) -> Json:
    """One class, whose "probs" hold the reward's sigmoid, or with "use_activation": false the reward itself."""
    as_probability = _is_activated(ask.raw)
    data = [
        {
            "index": place,
            "label": "reward",
            "probs": [_value(reward, as_probability)],
            "num_classes": 1,
            "truncated": is_truncated,
        }
        for place, (reward, is_truncated) in enumerate(zip(*_flat(result.items), strict=True))
    ]
    return _as_vllm("classify", result, data)


def read_score(body: Json) -> Ask:
    """{"model", "text_1": prompt or prompts, "text_2": completion or completions}; one prompt goes with all."""
    prompts, completions = _texts(body, "text_1", "queries"), _texts(body, "text_2", "documents")
    if len(prompts) not in (1, len(completions)):
        raise Problem(
            422, "bad_request", f"{len(prompts)} of text_1 and {len(completions)} of text_2: expected one, or as many."
        )
    _at_most(len(completions))
    if len(prompts) == 1:
        prompts = prompts * len(completions)
    items = []
    for place, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        if not _is_text(prompt):
            items.append(Item(problem=f"text_1[{place}]: expected a text."))
        elif not _is_text(completion) or not completion:
            items.append(Item(problem=f"text_2[{place}]: expected a text that is not empty."))
        else:
            items.append(Item(messages=[{"role": "user", "content": prompt}], completions=[completion]))
    return Ask(_model_name(body), _joined(items), _too_long(body), _deadline_s(body), raw=body)


def write_score(result: Result, ask: Ask) -> Json:
    """A "score" for each of text_2: as in `write_classify`."""
    as_probability = _is_activated(ask.raw)
    data = [
        {"index": place, "object": "score", "score": _value(reward, as_probability), "truncated": is_truncated}
        for place, (reward, is_truncated) in enumerate(zip(*_flat(result.items), strict=True))
    ]
    return _as_vllm("score", result, data)


def _as_vllm(kind: str, result: Result, data: list[Json]) -> Json:
    n_tokens = sum(sum(item.n_tokens) for item in result.items)
    return {
        "id": f"{kind}-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": _label(result),
        "data": data,
        "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens, "completion_tokens": 0},
    }


def _flat(items: Sequence[Scored]) -> tuple[list[float], list[bool]]:
    """Rewards of all completions, and which were cut. A bad item is the request's: it has no place in these formats."""
    if bad := next((item for item in items if item.problem), None):
        raise Problem(422, bad.code, bad.problem)
    rewards = [reward for item in items for reward in item.rewards]
    return rewards, [is_truncated for item in items for is_truncated in item.truncated]


def _is_activated(body: Json) -> bool:
    found = body.get("use_activation", body.get("activation"))
    if found is not None and not isinstance(found, bool):
        raise Problem(422, "bad_request", '"use_activation" must be true or false.')
    return found is not False


def _value(reward: float, as_probability: bool) -> float:
    if not as_probability:
        return reward
    return 1 / (1 + math.exp(-reward)) if reward >= 0 else math.exp(reward) / (1 + math.exp(reward))


def _label(result: Result) -> str:
    return "+".join(f"{one['name']}@{one['version']}" for one in result.models)


# --- common parts ---
def _model_name(body: Json) -> str:
    """The model's name; "" for the only one that is served, since trainers' bodies may lack it."""
    name = body.get("model", "")
    if name is not None and not isinstance(name, str):
        raise Problem(422, "bad_request", '"model" must be text.')
    return name or ""


def _texts(body: Json, *names: str) -> list[Any]:
    given = next((body[name] for name in names if name in body), None)
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Problem(422, "bad_request", f'"{names[0]}" must be a text or a list of at least one.')
    return texts


def _too_long(body: Json) -> str | None:
    found = body.get("too_long")
    if found not in (None, "truncate", "refuse"):
        raise Problem(422, "bad_request", f'"too_long" must be "truncate" or "refuse", not {found!r}.')
    return found


def _deadline_s(body: Json) -> float | None:
    found = body.get("deadline_ms")
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 1 <= found <= 3_600_000:
        raise Problem(422, "bad_request", '"deadline_ms" must be a number of milliseconds, from 1 to an hour.')
    return found / 1000


def _at_most(n: int) -> None:
    if n > MAX_COMPLETIONS:
        raise Problem(413, "too_many", f"{n} completions in one request; {MAX_COMPLETIONS} are allowed at most.")


def _is_text(value: Any) -> bool:
    """Whether it is text that can be encoded: JSON lets half a surrogate pair through."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Format:
    """How a body is read and its answer written."""

    read: Callable[[Json], Ask]
    write: Callable[[Result, Ask], Json]


OWN = Format(read_own, write_own)
REWARD_URL = Format(read_reward_url, write_reward_url)
CLASSIFY = Format(read_classify, write_classify)
SCORE = Format(read_score, write_score)
