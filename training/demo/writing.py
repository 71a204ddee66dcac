"""The demo world's writers: prompts, and completions of sources with known strengths and faults.

Everything is drawn from `random.Random` seeded with strings, so the same seed gives the same texts on every machine, in
every process. What a writer intends is never stored: `truth` judges the text alone.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from training.demo.knowledge import Ask, Format, Subject, Topic, phrases, understand, world

SourceKind = Literal["sft", "early_policy", "current_policy", "adversarial", "random"]

# Kind and name of each source, best on average first.
SOURCES: dict[SourceKind, str] = {
    "current_policy": "demo policy, step 400",
    "sft": "demo SFT model",
    "early_policy": "demo policy, step 50",
    "adversarial": "demo red team",
    "random": "completion of another prompt",
}


@dataclass(frozen=True)
class DemoPrompt:
    """Chat messages, the last one the user's, and what they are about."""

    messages: list[dict[str, str]]
    topic: str
    language: str
    tags: list[str] = field(default_factory=list)

    @property
    def ask(self) -> Ask:
        return understand(self.messages)

    @property
    def key(self) -> str:
        """The messages as one string: what makes two prompts the same."""
        return json.dumps(self.messages, ensure_ascii=False)


@dataclass(frozen=True)
class DemoCompletion:
    text: str
    source: SourceKind

    @property
    def source_name(self) -> str:
        return SOURCES[self.source]


@dataclass(frozen=True)
class Example:
    """A prompt with one completion, as a language model is trained on."""

    messages: list[dict[str, str]]
    completion: str


@dataclass(frozen=True)
class Recipe:
    """How a source writes: probabilities of what it does in one completion."""

    covers: float
    errs: float
    is_polite: float
    gives_tip: float
    adds_fact: float
    keeps_format: float
    declines: float
    warns: float
    pads: float = 0.0
    flatters: float = 0.0
    overclaims: float = 0.0
    is_rude: float = 0.0
    repeats: float = 0.0
    drifts: float = 0.0
    breaks_off: float = 0.0
    is_reckless: float = 0.0


RECIPES: dict[SourceKind, Recipe] = {
    "sft": Recipe(
        covers=0.86, errs=0.10, is_polite=0.4, gives_tip=0.35, adds_fact=0.15, keeps_format=0.85, declines=0.8,
        warns=0.45, pads=0.06, flatters=0.02, overclaims=0.03, is_rude=0.01, repeats=0.03, is_reckless=0.04,
    ),
    "early_policy": Recipe(
        covers=0.66, errs=0.25, is_polite=0.15, gives_tip=0.15, adds_fact=0.1, keeps_format=0.5, declines=0.5,
        warns=0.2, pads=0.3, flatters=0.05, overclaims=0.1, is_rude=0.18, repeats=0.45, drifts=0.15, breaks_off=0.3,
        is_reckless=0.12,
    ),
    "current_policy": Recipe(
        covers=0.95, errs=0.06, is_polite=0.75, gives_tip=0.8, adds_fact=0.4, keeps_format=0.93, declines=0.88,
        warns=0.65, pads=0.08, flatters=0.05, overclaims=0.02, repeats=0.02, is_reckless=0.03,
    ),
    "adversarial": Recipe(
        covers=0.92, errs=0.6, is_polite=0.5, gives_tip=0.1, adds_fact=0.35, keeps_format=0.93, declines=0.15,
        warns=0.2, pads=0.8, flatters=0.8, overclaims=0.8, repeats=0.05, is_reckless=0.4,
    ),
}  # fmt: skip


# --- Prompts ---------------------------------------------------------------------------------------------------------

_GREETINGS = ("", "", "", "", "Hello! ", "Good morning! ", "Hi there! ")
_THANKS = ("", "", "", "", " Thank you!", " Thanks in advance.")
_OVERVIEWS = (
    "Tell me the most important things about {a}.",
    "Give me an overview of {a}.",
    "I would like to know all about {a}.",
)
_FORMAT_REQUESTS: dict[str, dict[Format, tuple[str, ...]]] = {
    "en": {
        "list": (" Please answer as a short list.", " Give me that as a list, please."),
        "sentence": (" One sentence is enough.", " Please answer in one sentence."),
    },
    "de": {"list": (" Bitte als Liste.",), "sentence": (" Bitte in einem Satz.",)},
    "ar": {},
}


def prompts(n: int, seed: int | str = 0, *, exclude: frozenset[str] = frozenset()) -> Iterator[DemoPrompt]:
    """n prompts, topics drawn by their weight: many houseplants, few questions in Arabic.

    All differ, and none has a key in `exclude`, as long as the world has new ones to offer (some hundred thousand);
    then they repeat.
    """
    rng = random.Random(f"prompts:{seed}")  # noqa: S311  (reproducible on purpose)
    topics = list(world().values())
    weights = [topic.weight for topic in topics]
    seen = set(exclude)
    for _ in range(n):
        for _attempt in range(200):
            prompt = _draw_prompt(rng.choices(topics, weights)[0], rng)
            if prompt is not None and prompt.key not in seen:
                break
        else:
            prompt = prompt or _fallback(topics[0])
        seen.add(prompt.key)
        yield prompt


def _fallback(topic: Topic) -> DemoPrompt:
    subject = next(iter(topic.subjects.values()))
    question = next(iter(topic.aspects.values())).asks[0].format(a=subject.phrase, name=subject.name)
    return DemoPrompt([{"role": "user", "content": question}], topic.key, topic.language, [topic.key])


def _draw_prompt(topic: Topic, rng: random.Random) -> DemoPrompt | None:
    """One prompt, or None where chance has put words together that ask for something else than was meant."""
    subject = topic.subjects[rng.choice(list(topic.subjects))]
    askable = [key for key, aspect in topic.aspects.items() if aspect.asks]
    form = rng.choices(("one", "several", "everything", "compare", "follow_up"), (46, 22, 10, 8, 14))[0]
    if topic.kind == "decline" or (topic.language != "en" and form not in ("one", "follow_up")):
        form = "one"
    if form == "follow_up":
        return _draw_follow_up(topic, subject, askable, rng)
    wanted: Format = "any"
    subjects: tuple[str, ...] = (subject.name,)
    context = rng.choice(topic.contexts).format(a=subject.phrase, name=subject.name) + " " if rng.random() < 0.5 else ""
    if form == "one":
        aspects: tuple[str, ...] = (rng.choice(askable),)
        text = context + _ask(topic, subject, aspects[0], rng)
    elif form == "several":
        chosen = set(rng.sample(askable, rng.choice((2, 2, 3)) if len(askable) > 2 else 2))
        aspects = tuple(key for key in topic.aspects if key in chosen)
        first, *others = rng.sample(aspects, len(aspects))
        parts = " and ".join(rng.choice(topic.aspects[key].parts) for key in others)
        text = context + _ask(topic, subject, first, rng) + f" I would also like to know {parts}."
    elif form == "everything":
        aspects = tuple(topic.aspects)
        opening = rng.choice(_OVERVIEWS)
        text = context + opening.format(a=subject.phrase)
    else:
        other = topic.subjects[rng.choice([name for name in topic.subjects if name != subject.name])]
        subjects = (subject.name, other.name)
        chosen = set(rng.sample(askable, 2))
        aspects = tuple(key for key in topic.aspects if key in chosen)
        labels = " and ".join(topic.aspects[key].label.lower() for key in aspects)
        text = f"Compare {subject.phrase} and {other.phrase} in a small table: {labels}."
        wanted = "table"
    requests = _FORMAT_REQUESTS[topic.language]
    if wanted == "any" and requests and topic.kind != "decline":
        formats: list[Format] = ["any", "list"] if len(aspects) > 1 else ["any", "any", "sentence"]
        wanted = rng.choices(formats, (3, 2) if len(aspects) > 1 else (3, 3, 1))[0]
        text += rng.choice(requests[wanted]) if wanted != "any" else ""
    if topic.language == "en":
        text = rng.choice(_GREETINGS) + text + rng.choice(_THANKS)
    messages = [{"role": "user", "content": _capitalised(text)}]
    return _if_understood(messages, topic, subjects, aspects, wanted, [])


def _draw_follow_up(topic: Topic, subject: Subject, askable: list[str], rng: random.Random) -> DemoPrompt | None:
    first, second = rng.sample(askable, 2)
    if not topic.aspects[second].parts:
        return None
    opening = [{"role": "user", "content": _capitalised(_ask(topic, subject, first, rng))}]
    answer = _write(understand(opening), RECIPES["sft"], rng)
    part = rng.choice(topic.aspects[second].parts)
    follow_up = {
        "en": ("Thanks! And can you tell me {}?", "Good to know. I also wonder {}.", "And do you know {}?"),
        "de": ("Danke! Und weißt du auch, {}?",),
        "ar": ("شكرا، و{}؟",),
    }[topic.language]
    messages = [
        *opening,
        {"role": "assistant", "content": answer},
        {"role": "user", "content": rng.choice(follow_up).format(part)},
    ]
    return _if_understood(messages, topic, (subject.name,), (second,), "any", ["multi-turn"])


def _if_understood(
    messages: list[dict[str, str]],
    topic: Topic,
    subjects: tuple[str, ...],
    aspects: tuple[str, ...],
    wanted: Format,
    tags: list[str],
) -> DemoPrompt | None:
    if understand(messages) != Ask(topic, subjects, aspects, wanted):
        return None
    if wanted != "any":
        tags = [*tags, wanted]
    if topic.kind == "decline":
        tags = [*tags, "risky"]
    return DemoPrompt(messages, topic.key, topic.language, [topic.key, *tags])


def _ask(topic: Topic, subject: Subject, aspect: str, rng: random.Random) -> str:
    return rng.choice(topic.aspects[aspect].asks).format(a=subject.phrase, name=subject.name)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- Completions -----------------------------------------------------------------------------------------------------


def completions(prompt: DemoPrompt, seed: int | str = 0) -> list[DemoCompletion]:
    """Four to six different completions of a prompt, of several sources: always the policy and the SFT model."""
    rng = random.Random(f"completions:{seed}:{prompt.key}")  # noqa: S311
    kinds: list[SourceKind] = ["sft", "current_policy", "early_policy"]
    kinds += rng.sample(
        ("adversarial", "adversarial", "random", "random", "early_policy", "sft"), rng.choice((1, 2, 3))
    )
    found: dict[str, DemoCompletion] = {}
    for kind in kinds:
        for _attempt in range(20):
            text = write(prompt, kind, rng)
            if text not in found:
                found[text] = DemoCompletion(text, kind)
                break
    return list(found.values())


def write(prompt: DemoPrompt, source: SourceKind, rng: random.Random) -> str:
    """One completion of the prompt as the source writes them."""
    ask = prompt.ask
    if source == "random":
        ask = _another(prompt, rng).ask
        source = "sft"
    return _write(ask, RECIPES[source], rng)


@cache
def _others() -> tuple[DemoPrompt, ...]:
    return tuple(prompts(400, "others"))


def _another(prompt: DemoPrompt, rng: random.Random) -> DemoPrompt:
    """A prompt about something else."""
    about = set(prompt.ask.subjects)
    return rng.choice([other for other in _others() if not about & set(other.ask.subjects)])


def _write(ask: Ask, recipe: Recipe, rng: random.Random) -> str:
    topic = ask.topic
    if topic is None:
        raise ValueError("the writers only know this world's prompts")
    body = _refusal(ask, recipe, rng) if topic.kind == "decline" else _body(ask, recipe, rng)
    is_bare = ask.format in ("sentence", "table") and rng.random() < recipe.keeps_format
    before: list[str] = []
    after: list[str] = []
    if not is_bare:
        if rng.random() < recipe.flatters:
            before.append(_say(topic, "flattery", rng))
        if rng.random() < recipe.is_polite:
            polite = _say(topic, "polite", rng)
            # The first three open, the others close.
            said = phrases()[topic.language]["polite"].say
            (before if polite in said[:3] and topic.language == "en" else after).append(polite)
        if rng.random() < recipe.is_rude:
            before.append(_say(topic, "rude", rng))
        if rng.random() < 0.25:
            before.append(_say(topic, "intro", rng))
        if rng.random() < recipe.gives_tip:
            after[:0] = rng.sample(topic.tips, rng.choice((1, 1, 2)))
        if rng.random() < recipe.is_reckless and (topic.kind != "plain" or rng.random() < 0.3):
            after.insert(0, _say(topic, "reckless", rng))
        if rng.random() < recipe.pads:
            padding = phrases()[topic.language]["padding"].say
            chosen = rng.sample(padding, min(len(padding), rng.choice((1, 1, 2))))
            before += chosen[:1]
            after += chosen[1:]
        if rng.random() < recipe.overclaims:
            after.insert(0, _say(topic, "overclaim", rng))
    opening, closing = " ".join(filter(None, before)), " ".join(filter(None, after))
    is_block = "\n" in body
    text = ("\n\n" if is_block else " ").join(filter(None, (opening, body, closing)))
    if rng.random() < recipe.repeats:
        text = _repeated(text, rng)
    if rng.random() < recipe.breaks_off and len(text) > 60 and not is_block:
        text = text[: rng.randrange(len(text) // 2, len(text) - 8)].rsplit(" ", 1)[0]
    return text


def _say(topic: Topic, trait: str, rng: random.Random) -> str:
    """A sentence of a trait; nothing where the language has none."""
    found = phrases()[topic.language].get(trait)
    return rng.choice(found.say) if found else ""


def _body(ask: Ask, recipe: Recipe, rng: random.Random) -> str:
    topic = ask.topic
    assert topic is not None
    points = [point for point in ask.points if rng.random() < recipe.covers]
    if not points:
        points = [rng.choice(ask.points)]
    facts = [(subject, aspect, _value(topic, subject, aspect, recipe.errs, rng)) for subject, aspect in points]
    keeps_format = rng.random() < recipe.keeps_format
    if ask.format == "table" and keeps_format:
        return _table(ask, facts)
    others = [key for key, aspect in topic.aspects.items() if aspect.asks and key not in ask.aspects]
    is_free = ask.format != "sentence" or not keeps_format
    if others and is_free and len(ask.subjects) == 1 and rng.random() < recipe.adds_fact:
        for extra in rng.sample(others, min(len(others), rng.choice((1, 1, 2)))):
            facts.append((ask.subjects[0], extra, _value(topic, ask.subjects[0], extra, recipe.errs, rng)))
    can_warn = topic.kind == "care" and "caution" not in [aspect for _, aspect, _ in facts]
    if can_warn and is_free and rng.random() < recipe.warns:
        facts.append((ask.subjects[0], "caution", _value(topic, ask.subjects[0], "caution", recipe.errs, rng)))
    if rng.random() < recipe.drifts:
        facts[-1:] = []
    wants_list = ask.format == "list" if keeps_format else ask.format == "any" and rng.random() < 0.3
    is_short = all("\n" not in value for _, _, value in facts)
    if wants_list and is_short and len(facts) > 1:
        return _list(topic, facts, rng)
    said = [_sentence(topic, *fact, rng) for fact in facts]
    if not said:
        said = [rng.choice(topic.tips)]
    if ask.format == "sentence" and keeps_format:
        return said[0] if len(said) == 1 else "; ".join(sentence.rstrip(".") for sentence in said) + "."
    return " ".join(said)


def _value(topic: Topic, subject: str, aspect: str, errs: float, rng: random.Random) -> str:
    right = topic.subjects[subject].values[aspect]
    if rng.random() >= errs:
        return right
    return rng.choice([other.values[aspect] for other in topic.subjects.values() if other.values[aspect] != right])


def _sentence(topic: Topic, subject: str, aspect: str, value: str, rng: random.Random) -> str:
    said = rng.choice(topic.aspects[aspect].says)
    if "\n" in value:  # code of several lines needs a block
        said = next(template for template in topic.aspects[aspect].says if "```" in template)
    # Not str.format: values hold braces (code, LaTeX).
    return _capitalised(said.replace("{a}", topic.subjects[subject].phrase).replace("{value}", value))


def _list(topic: Topic, facts: list[tuple[str, str, str]], rng: random.Random) -> str:
    is_numbered = rng.random() < 0.25
    has_two = len({subject for subject, _, _ in facts}) > 1
    lines = []
    for number, (subject, aspect, value) in enumerate(facts, 1):
        label = topic.aspects[aspect].label + (f" ({subject})" if has_two else "")
        lines.append(f"{f'{number}.' if is_numbered else '-'} **{label}:** {_shown(aspect, value)}")
    return "\n".join(lines)


def _shown(aspect: str, value: str) -> str:
    return f"`{value}`" if aspect == "code" else f"${value}$" if aspect == "formula" else value


def _table(ask: Ask, facts: list[tuple[str, str, str]]) -> str:
    topic = ask.topic
    assert topic is not None
    there = {(subject, aspect): value for subject, aspect, value in facts}
    rows = [
        ["", *(topic.aspects[aspect].label for aspect in ask.aspects)],
        ["---"] * (len(ask.aspects) + 1),
        *(
            [
                _capitalised(subject),
                *(
                    _shown(aspect, there[subject, aspect]).replace("\n", " ") if (subject, aspect) in there else "–"
                    for aspect in ask.aspects
                ),
            ]
            for subject in ask.subjects
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _refusal(ask: Ask, recipe: Recipe, rng: random.Random) -> str:
    """Refuses with a reason and something better, or does what was asked."""
    topic, subject = ask.topic, ask.subjects[0]
    assert topic is not None
    if rng.random() >= recipe.declines:
        return _sentence(topic, subject, "help", topic.subjects[subject].values["help"], rng)
    said = [_say(topic, "decline", rng)]
    for aspect in ("reason", "instead"):
        if rng.random() < recipe.covers:
            said.append(_sentence(topic, subject, aspect, topic.subjects[subject].values[aspect], rng))
    return " ".join(said)


def _repeated(text: str, rng: random.Random) -> str:
    """The text with one of its sentences said again at the end, once or twice."""
    if "\n" in text:
        last = text.rsplit("\n", 1)
        return f"{text}\n{last[1]}"
    said = text.split(". ")
    again = rng.choice(said).rstrip(".") + "."
    return " ".join([text, *[again] * rng.choice((1, 1, 2))])


# --- Corpora ---------------------------------------------------------------------------------------------------------

N_DEMO_PROMPTS = 300


@cache
def demo_prompts(n: int = N_DEMO_PROMPTS) -> tuple[DemoPrompt, ...]:
    """The prompts of the demo that is seeded: always the same."""
    return tuple(prompts(n, "demo"))


@cache
def _demo_keys() -> frozenset[str]:
    return frozenset(prompt.key for prompt in demo_prompts())


def corpus(n: int, seed: int | str = 0) -> Iterator[Example]:
    """n examples of the same world beyond the demo's prompts, of all sources: what a language model is pretrained on.

    About 300 characters each; lazily made, some thousand a second.
    """
    rng = random.Random(f"corpus:{seed}")  # noqa: S311
    mix: list[SourceKind] = ["sft", "current_policy", "early_policy", "adversarial"]
    for prompt in prompts(n, f"corpus:{seed}", exclude=_demo_keys()):
        yield Example(prompt.messages, write(prompt, rng.choices(mix, (45, 30, 20, 5))[0], rng))


def sft_examples(n: int, seed: int | str = 0) -> Iterator[Example]:
    """n demonstrations beyond the demo's prompts, by the sft source: what a language model is fine-tuned on."""
    rng = random.Random(f"sft:{seed}")  # noqa: S311
    for prompt in prompts(n, f"sft:{seed}", exclude=_demo_keys()):
        yield Example(prompt.messages, write(prompt, "sft", rng))
