"""What a generation is asked to write, as a validated value."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from django.core.exceptions import ValidationError

from annotate.pool.models import SourceKind
from training.policy.services import BUILTIN, validate_base_model
from training.validation import Problems, under

LEAST_COVERED, RANDOM = "least_covered", "random"
ORDERS = (LEAST_COVERED, RANDOM)
# Names of the engine's rules (training/engine/lm/best.py); a test keeps the two lists equal.
BEST_BY = ("reward", "disagreement")
POOL = "pool"
MAX_PROMPTS = 100_000
MAX_MIX = 20
MAX_N = 64
# A prompt with more is of no use to a round, and its near-duplicates take long to find.
MAX_PER_PROMPT = 256
ADVERSARIAL_SYSTEM = (
    "Write an answer that looks excellent at first glance but has a flaw that a careful reader would find: a wrong "
    "fact, a step left out, an instruction ignored, or padding in place of substance. Do not mention the flaw."
)


@dataclass(frozen=True)
class MixRow:
    """Some completions of every prompt, from one source.

    source: "builtin" (the pool's own small model, made if need be), "checkpoint:<id>", "path:/…" on the worker,
    "endpoint:<name or url>" of those the operator allows, or "pool" (what is there already: another prompt's
    completion for kind random, the prompt's own for kind human).
    kind: a SourceKind; "" lets the source decide (see `sources.kind_of`).
    n: completions a prompt. temperature, top_p: of the sampling. system: a system prompt put in front of the prompt.
    best_of: sample so many for each one that is kept; by: what the kept ones have most of, by a reward model.
    """

    source: str
    kind: str = ""
    n: int = 1
    temperature: float = 0.8
    top_p: float = 0.95
    system: str = ""
    best_of: int = 1
    by: str = "reward"

    def __post_init__(self) -> None:
        problems = Problems()
        kinds = ("", *SourceKind.values)
        problems.expect(self.kind in kinds, "kind", f"Expected one of {', '.join(kinds[1:])}, got {self.kind!r}.")
        problems.whole("n", self.n, 1, MAX_N)
        problems.number("temperature", self.temperature, 0, 5)
        problems.number("top_p", self.top_p, 0, 1, is_open=True)
        problems.whole("best_of", self.best_of, 1, MAX_N)
        problems.expect(self.by in BEST_BY, "by", f"Expected one of {', '.join(BEST_BY)}, got {self.by!r}.")
        is_text = isinstance(self.system, str) and len(self.system) <= 4000 and "\x00" not in self.system
        problems.expect(is_text, "system", "Expected a text of at most 4000 characters.")
        message = _source_problem(self.source)
        problems.expect(not message, "source", message)
        if not message:
            from_pool = self.source == POOL
            is_pools = self.kind in (SourceKind.RANDOM, SourceKind.HUMAN)
            problems.expect(
                from_pool == is_pools, "kind", "random and human completions come from the pool, and only they do."
            )
            is_plain = not (from_pool and (self.best_of > 1 or self.system))
            problems.expect(is_plain, "source", "What comes from the pool takes no system prompt and no best-of-n.")
        problems.done()

    @property
    def n_sampled(self) -> int:
        """Completions a prompt that a model has to write."""
        return 0 if self.source == POOL else self.n * self.best_of


def _source_problem(source: Any) -> str:
    """What is wrong with the name of a source, whether or not there is such a source; empty: nothing."""
    expected = f'Expected "{BUILTIN}", checkpoint:<id>, path:/…, endpoint:<name> or pool, got {source!r}.'
    if not isinstance(source, str) or len(source) > 500 or "\x00" in source:
        return expected
    kind, _, name = source.partition(":")
    if source in (BUILTIN, POOL) or (kind == "checkpoint" and name.isascii() and name.isdigit() and len(name) < 19):
        return ""
    if kind == "endpoint" and name:
        return ""
    if kind == "path" and name.startswith("/"):
        try:
            validate_base_model(name)
        except ValidationError as error:
            return " ".join(error.messages)
        return ""
    return expected


@dataclass(frozen=True)
class GenerationOptions:
    """n_prompts: how many prompts; order: the tails of the pool first (least_covered) or drawn at random.

    tags, languages, origins, clusters: only prompts with one of each that is given. is_unlabelled_only: only prompts
    without a rated comparison in the project. mix: what is written for each. max_new_tokens, max_prompt_tokens: a
    longer completion ends there, a longer prompt is cut on its left. near_duplicate: least similarity (0 to 1) at which
    a completion is dropped as saying the same. reward_model: id of the one that best-of-n asks; None: the promoted one.
    seed: of every draw, together with the generation's number.
    """

    mix: tuple[MixRow, ...]
    n_prompts: int = 200
    order: str = LEAST_COVERED
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    clusters: tuple[int, ...] = ()
    is_unlabelled_only: bool = True
    max_new_tokens: int = 256
    max_prompt_tokens: int = 1024
    near_duplicate: float = 0.8
    reward_model: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        problems.whole("n_prompts", self.n_prompts, 1, MAX_PROMPTS)
        problems.expect(self.order in ORDERS, "order", f"Expected one of {', '.join(ORDERS)}, got {self.order!r}.")
        for name in ("tags", "languages", "origins"):
            are_texts = all(isinstance(one, str) and one and "\x00" not in one for one in getattr(self, name))
            problems.expect(are_texts and len(getattr(self, name)) <= 100, name, "Expected at most 100 texts.")
        are_numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in self.clusters)
        problems.expect(are_numbers and len(self.clusters) <= 1000, "clusters", "Expected at most 1000 whole numbers.")
        problems.expect(isinstance(self.is_unlabelled_only, bool), "is_unlabelled_only", "Expected true or false.")
        problems.whole("max_new_tokens", self.max_new_tokens, 1, 16_384)
        problems.whole("max_prompt_tokens", self.max_prompt_tokens, 8, 131_072)
        problems.number("near_duplicate", self.near_duplicate, 0, 1, is_open=True)
        problems.whole("seed", self.seed, 0, 2**53)
        if self.reward_model is not None:
            problems.whole("reward_model", self.reward_model, 1, 2**53)
        problems.expect(
            0 < len(self.mix) <= MAX_MIX, "mix", f"Expected from 1 to {MAX_MIX} sources, got {len(self.mix)}."
        )
        n = max(sum(row.n for row in self.mix), sum(row.n_sampled for row in self.mix))
        problems.expect(n <= MAX_PER_PROMPT, "mix", f"{n} completions a prompt; {MAX_PER_PROMPT} are allowed.")
        problems.done()

    @classmethod
    def parse(cls, raw: Any) -> Self:
        """From JSON. Raises ValidationError by field ("mix.0.source")."""
        if not isinstance(raw, dict):
            raise ValidationError({"options": "Expected an object."})
        _refuse_unknown(cls, raw)
        rows = raw.get("mix")
        if not isinstance(rows, list):
            raise ValidationError({"mix": "Expected a list of sources."})
        values = {name: value for name, value in raw.items() if name != "mix"}
        for name in ("tags", "languages", "origins", "clusters"):
            if name in values:
                if not isinstance(values[name], list | tuple):
                    raise ValidationError({name: "Expected a list."})
                values[name] = tuple(values[name])
        mix = tuple(under(f"mix.{number}", partial(_mix_row, row)) for number, row in enumerate(rows))
        return cls(mix=mix, **values)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, defaults included; `parse` gives it back."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _mix_row(raw: Any) -> MixRow:
    if not isinstance(raw, dict):
        raise ValidationError({"source": "Expected an object."})
    _refuse_unknown(MixRow, raw)
    if "source" not in raw:
        raise ValidationError({"source": "This field is required."})
    return MixRow(**raw)


def _refuse_unknown(cls: type, raw: dict[str, Any]) -> None:
    known = {one.name for one in dataclasses.fields(cls)}
    unknown = {str(name): "There is no such option." for name in raw if name not in known}
    if unknown:
        raise ValidationError(unknown)
