"""What the demo world knows, and how a text is read against it.

The world lies in `world/*.toml`, one topic a file: subjects (a snake plant, Lisbon) with one right value per aspect
(water: every two to three weeks). A value that is right for one subject is wrong for the others, so a completion's
facts can be checked by looking for values alone, whoever wrote it. `understand` reads what a prompt asks for, `read`
what a completion says. Both are pure functions of text.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent

Format = Literal["any", "list", "table", "sentence"]
Kind = Literal["plain", "care", "decline"]
Message = Mapping[str, str]

_FORMAT_WORDS: tuple[tuple[Format, str], ...] = (
    ("table", r"\btable\b|\btabelle\b"),
    ("list", r"\b(?:as a|short|in a) list\b|\bas bullet points\b|\bals liste\b"),
    ("sentence", r"\b(?:one|a single) sentence\b|\beinem satz\b"),
)
_EVERYTHING = re.compile(r"\b(?:most important things|all about|an overview)\b|\balles wichtige\b")
_SENTENCE_END = re.compile(r"(?<=[.!?؟])[\"')*]*\s+")
_FENCE = re.compile(r"```\w*\n?(.*?)```", re.DOTALL)
_LIST_MARK = re.compile(r"^(?:[-*•]|\d+[.)])\s+")
_WORD = re.compile(r"[\w°'’-]+")


def normalise(text: str) -> str:
    """Lower case, single spaces, straight apostrophes: the form in which texts are compared."""
    return " ".join(text.replace("’", "'").lower().split())


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class Aspect:
    """One thing that can be asked about every subject of a topic, and the ways to ask and to say it."""

    key: str
    label: str
    cues: tuple[str, ...]
    asks: tuple[str, ...]
    parts: tuple[str, ...]
    says: tuple[str, ...]
    cue: re.Pattern[str]


@dataclass(frozen=True)
class Subject:
    name: str
    # With its article, as it stands in a sentence.
    phrase: str
    values: Mapping[str, str]
    mention: re.Pattern[str]


@dataclass(frozen=True)
class Topic:
    """A topic; `kind` is "care" where a caution belongs into a good completion, "decline" where a refusal does."""

    key: str
    title: str
    weight: float
    language: str
    kind: Kind
    vocabulary: frozenset[str]
    contexts: tuple[str, ...]
    tips: tuple[str, ...]
    aspects: Mapping[str, Aspect]
    subjects: Mapping[str, Subject]
    # Every value of an aspect, longest first, and where each leads: normalised value -> subjects it is right for.
    values: Mapping[str, re.Pattern[str]]
    right_for: Mapping[str, Mapping[str, frozenset[str]]]
    mentions: re.Pattern[str]


@dataclass(frozen=True)
class Ask:
    """What a prompt asks for. Without a topic it is none of this world's prompts."""

    topic: Topic | None
    subjects: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    format: Format = "any"

    @property
    def points(self) -> list[tuple[str, str]]:
        """(subject, aspect) that a full completion covers."""
        return [(subject, aspect) for subject in self.subjects for aspect in self.aspects]


@dataclass(frozen=True)
class Fact:
    """A completion's claim on a subject's aspect. `is_close` is a right one in nearly the right words."""

    subject: str
    aspect: str
    is_right: bool
    is_close: bool = False


@cache
def world() -> Mapping[str, Topic]:
    """All topics by key, in the order of their weight: the first is the most frequent, the last the tail."""
    topics = [_load(path) for path in sorted((HERE / "world").glob("*.toml"))]
    return {topic.key: topic for topic in sorted(topics, key=lambda topic: (-topic.weight, topic.key))}


def _load(path: Path) -> Topic:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    aspects = {
        key: Aspect(
            key=key,
            label=found["label"],
            cues=tuple(found["cues"]),
            asks=tuple(found["asks"]),
            parts=tuple(found["parts"]),
            says=tuple(found["says"]),
            cue=re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(cue) for cue in found['cues'])})"),
        )
        for key, found in raw["aspects"].items()
    }
    article = raw.get("article", "")
    subjects = {}
    for name, values in raw["subjects"].items():
        if set(values) - {"phrase"} != set(aspects):
            raise ValueError(f"{path.name}: {name} needs exactly the values {sorted(aspects)}")
        subjects[name] = Subject(
            name=name,
            phrase=values.get("phrase", f"{article} {name}".strip()),
            values={key: values[key] for key in aspects},
            mention=re.compile(_mention(name)),
        )
    right_for: dict[str, dict[str, frozenset[str]]] = {}
    for key in aspects:
        found_values: dict[str, frozenset[str]] = {}
        for name, subject in subjects.items():
            value = normalise(subject.values[key])
            found_values[value] = found_values.get(value, frozenset()) | {name}
        right_for[key] = found_values
    return Topic(
        key=path.stem,
        title=raw["title"],
        weight=raw["weight"],
        language=raw.get("language", "en"),
        kind=raw.get("kind", "plain"),
        vocabulary=frozenset(raw["words"]),
        contexts=tuple(raw["contexts"]),
        tips=tuple(raw["tips"]),
        aspects=aspects,
        subjects=subjects,
        values={key: _any_of(found) for key, found in right_for.items()},
        right_for=right_for,
        mentions=re.compile("|".join(_mention(name) for name in sorted(subjects, key=len, reverse=True))),
    )


def _mention(name: str) -> str:
    """A pattern for a subject's name at the start of a word, so that plurals and cases count."""
    return rf"(?<!\w){re.escape(normalise(name))}"


def _any_of(phrases: Mapping[str, object]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


@cache
def _all_mentions() -> tuple[re.Pattern[str], dict[str, tuple[Topic, str]]]:
    owners = {normalise(name): (topic, name) for topic in world().values() for name in topic.subjects}
    pattern = "|".join(re.escape(name) for name in sorted(owners, key=lambda name: (-len(name), name)))
    return re.compile(rf"(?<!\w)(?:{pattern})"), owners


# --- Prompts ---------------------------------------------------------------------------------------------------------


def understand(messages: Sequence[Message]) -> Ask:
    """What the last user message asks for; who is meant may have been said in an earlier one."""
    turns = tuple(message["content"] for message in messages if message.get("role") == "user")
    return _understand(turns)


@lru_cache(maxsize=4096)
def _understand(turns: tuple[str, ...]) -> Ask:
    pattern, owners = _all_mentions()
    for turn in reversed(turns):
        mentioned = [owners[found] for found in dict.fromkeys(pattern.findall(normalise(turn)))]
        if mentioned:
            break
    else:
        return Ask(None, format=_format(turns[-1]) if turns else "any")
    topic = mentioned[0][0]
    subjects = tuple(name for owner, name in mentioned if owner is topic)
    question = normalise(turns[-1])
    if _EVERYTHING.search(question):
        aspects = tuple(topic.aspects)
    else:
        # Names may hold cues ("changing a ceiling lamp"), so they are taken out first.
        bare = topic.mentions.sub(" ", question)
        aspects = tuple(key for key, aspect in topic.aspects.items() if aspect.cue.search(bare))
    return Ask(topic, subjects, aspects, _format(turns[-1]))


def _format(question: str) -> Format:
    lowered = question.lower()
    return next((name for name, pattern in _FORMAT_WORDS if re.search(pattern, lowered)), "any")


# --- Completions -----------------------------------------------------------------------------------------------------


def sentences(text: str) -> list[str]:
    """Sentences, list entries and table cells of a text, in order, normalised.

    Code blocks count as part of their line. A table cell comes with the heads of its row and column, since it says
    nothing without them.
    """
    flat = _FENCE.sub(lambda found: " " + " ".join(found.group(1).split()) + " ", text)
    found = []
    head: list[str] = []
    for line in flat.splitlines():
        line = line.strip()
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if all(set(cell) <= set("-: ") for cell in cells):
                continue
            if not head:
                head = cells
                continue
            found += [f"{cells[0]} {column} {cell}" for column, cell in zip(head[1:], cells[1:], strict=False)]
            continue
        head = []
        found += _SENTENCE_END.split(_LIST_MARK.sub("", line))
    return [normalised for sentence in found if (normalised := normalise(sentence.replace("**", "")))]


def read(completion: str, ask: Ask) -> list[Fact]:
    """The facts that a completion states about the topic asked for, in order; empty without a topic.

    A sentence speaks of the subject named in it, else of the last one named, else of the one asked about. Values that
    nobody in the world has are not seen, but for the asked subject nearly right words count as close.
    """
    return list(_read(completion, ask)) if ask.topic else []


def _read(completion: str, ask: Ask) -> Iterator[Fact]:
    topic = ask.topic
    assert topic is not None
    by_mention = {normalise(name): name for name in topic.subjects}
    current = ask.subjects[0] if len(ask.subjects) == 1 else None
    for sentence in sentences(completion):
        bare = sentence
        for pattern in topic.values.values():
            for value in pattern.findall(sentence):
                bare = bare.replace(value, " ")
        # Names inside values ("an encoding that differs") are no mentions.
        if mentioned := topic.mentions.findall(bare):
            current = by_mention[mentioned[0]]
        if current is None:
            continue
        for key, pattern in topic.values.items():
            found = pattern.findall(sentence)
            for value in found:
                yield Fact(current, key, current in topic.right_for[key][value])
            if not found and key in ask.aspects and topic.aspects[key].cue.search(sentence):
                right = normalise(topic.subjects[current].values[key])
                if _overlap(right, sentence) >= 0.6:
                    yield Fact(current, key, is_right=True, is_close=True)


_SMALL_WORDS = frozenset(
    re.findall(r"\w+", "a an the of and or in on at to it is for with by from that its der die das und im")
)


def _overlap(value: str, sentence: str) -> float:
    """Share of a value's telling words that a sentence holds."""
    telling = [word for word in words(value) if word not in _SMALL_WORDS]
    there = set(words(sentence))
    return sum(word in there for word in telling) / len(telling) if telling else 0.0


# --- Traits ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trait:
    say: tuple[str, ...]
    marker: re.Pattern[str]


@cache
def phrases() -> Mapping[str, Mapping[str, Trait]]:
    """Sentences that carry a trait (polite, flattery, padding, …) by language, and the pattern that recognises it."""
    raw = tomllib.loads((HERE / "phrases.toml").read_text(encoding="utf-8"))
    return {
        language: {
            name: Trait(
                tuple(found["say"]), re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(m) for m in found['markers'])})")
            )
            for name, found in traits.items()
        }
        for language, traits in raw.items()
    }


@lru_cache(maxsize=8)
def trait_pattern(name: str) -> re.Pattern[str]:
    """The markers of a trait in all languages at once."""
    return re.compile("|".join(traits[name].marker.pattern for traits in phrases().values() if name in traits))
