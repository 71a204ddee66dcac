"""Rewards of texts that a person makes up, by every promoted model they may see, and which sentences move them.

A sentence moves the reward by what the reward changes when it is left out. The whole completion and all that is left of
it go to the scorer together, so that one version of the model has seen them all.
"""

import itertools
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db.models import Q

from annotate.common.errors import DomainError, not_found
from annotate.projects.access import Seat
from annotate.projects.models import CAPABILITIES, Capability, Membership, Role
from training.reward import scoring
from training.reward.models import RewardModel, RewardModelState

MAX_COMPLETIONS = 8
MAX_CHARS = 20_000
# Each is a completion to be scored; so many of a few hundred tokens take a small model seconds, also on a CPU.
MAX_SENTENCES = 200
_AT_ONCE = 4
_EXPLAIN_TIMEOUT_S = 60.0

Messages = list[dict[str, str]]
Span = tuple[int, int]


# --- the models -----------------------------------------------------------------------------------------------------
def models_for(seat: Seat) -> list[RewardModel]:
    """The promoted models that the caller may ask, with their projects: this project's first, the others by name.

    Those are the models of projects in which the caller's role may see rewards. One query.
    """
    roles = [role for role in Role if Capability.REVIEW in CAPABILITIES[role]]
    seats = Membership.objects.filter(user=seat.user, is_active=True, role__in=roles)
    rows = (
        RewardModel.objects.filter(state=RewardModelState.PROMOTED)
        .filter(Q(project=seat.project) | Q(project__in=seats.values("project")))
        .select_related("project")
        .only("id", "version", "n_members", "project__slug", "project__name", "project__axis")
        .order_by("project__name", "pk")
    )
    return sorted(rows, key=lambda model: model.project_id != seat.project.pk)


def play(
    seat: Seat, *, messages: Messages, completions: list[str], explain: bool = False, explain_model: str = ""
) -> dict[str, Any]:
    """Rewards of n completions of one prompt by each of `models_for`: {"models", "explanation"}.

    models: per model {"model", "version", "rewards" (n), "members" (n lists of k), "uncertainty" (n), "calibrated" (n),
    "n_tokens" (n), "truncated" (n), "error"}; what a model does not have is None. A model that could not answer has an
    error {"code", "message"} and no figures. explanation: what `explain_model`, a project's slug, by default this
    project's, makes of each sentence (`_explanation`); None without `explain`.

    Raises DomainError "no_reward_model"; "too_many_sentences" (400); "not_found" for a model the caller may not ask;
    and what `scoring.ask` raises when no model at all answers.
    """
    models = models_for(seat)
    if not models:
        raise DomainError("no_reward_model", "No reward model is promoted yet, here or in your other projects.")
    explained = _chosen(models, explain_model) if explain else None
    spans = [sentences(text) for text in completions] if explained else []
    if (n := sum(len(one) for one in spans)) > MAX_SENTENCES:
        raise DomainError(
            "too_many_sentences",
            f"The completions have {n} sentences together, and {MAX_SENTENCES} can be left out one by one at most. "
            "Shorten them, or take fewer.",
            status=400,
            n_sentences=n,
            max_sentences=MAX_SENTENCES,
        )
    variants = [without_each(text, one) for text, one in zip(completions, spans, strict=False)]

    def ask(model: RewardModel) -> scoring.Answer | DomainError:
        texts = completions + ([text for each in variants for text in each] if model is explained else [])
        timeout_s = _EXPLAIN_TIMEOUT_S if model is explained else scoring.TIMEOUT_S
        try:
            return scoring.ask(model.project.slug, messages, texts, timeout_s=timeout_s)
        except DomainError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(ask, models))
    failures = [answer for answer in answers if isinstance(answer, DomainError)]
    if len(failures) == len(models):
        raise failures[0]
    explanation = None
    for model, answer in zip(models, answers, strict=True):
        if model is explained and not isinstance(answer, DomainError):
            explanation = _explanation(model, answer, completions, spans)
    rows = [_row(model, answer, len(completions)) for model, answer in zip(models, answers, strict=True)]
    return {"models": rows, "explanation": explanation}


def _chosen(models: list[RewardModel], name: str) -> RewardModel:
    for model in models:
        if name in ("", model.project.slug):
            return model
    raise not_found("promoted reward model")


def _row(model: RewardModel, answer: scoring.Answer | DomainError, n: int) -> dict[str, Any]:
    """What one model says of the n completions; rewards of what was left of them are not part of it."""
    names = ("rewards", "members", "uncertainty", "calibrated", "n_tokens", "truncated")
    if isinstance(answer, DomainError):
        error = {"code": answer.code, "message": answer.message}
        return {"model": model, "version": model.version, **dict.fromkeys(names), "error": error}
    figures: dict[str, list[Any] | None] = {name: getattr(answer.item, name) for name in names}
    first = {name: None if found is None else found[:n] for name, found in figures.items()}
    return {"model": model, "version": answer.version, **first, "error": None}


def _explanation(
    model: RewardModel, answer: scoring.Answer, completions: list[str], spans: list[list[Span]]
) -> dict[str, Any]:
    """{"name", "version", "completions": [{"sentences": [{"text", "change"}]}]}.

    The texts of a completion's sentences make up the completion when they are put together. change: the reward without
    the sentence, less the reward of the whole; None where the completion is a single sentence.
    """
    whole, rest = answer.item.rewards[: len(completions)], iter(answer.item.rewards[len(completions) :])
    return {
        "name": model.project.slug,
        "version": answer.version,
        "completions": [
            {
                "sentences": [
                    {"text": piece, "change": next(rest) - reward if len(one) > 1 else None}
                    for piece in pieces(text, one)
                ]
            }
            for text, one, reward in zip(completions, spans, whole, strict=True)
        ],
    }


# --- sentences ------------------------------------------------------------------------------------------------------
# Where a sentence may end: after its full stop and what closes around it, where a space follows; after a full stop of
# the scripts that put no space behind it; at the end of a line.
_BREAK = re.compile(
    r"""(?P<stop> (?<![.!?…؟।۔]) [.!?…؟।۔]++ ["'”’»)\]*_]*+ (?=\s)) | [。！？]+ [」』”’）]* | (?P<line> \n )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_FENCE = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_ENUMERATOR = re.compile(r"(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\.")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_ABBREVIATIONS = {"approx", "bzw", "ca", "cf", "dr", "eq", "fig", "mr", "mrs", "ms", "nr", "prof", "sr", "st", "vs"}


def sentences(text: str) -> list[Span]:
    """(start, end) of each sentence in the text, at least one; between them lies nothing but white space.

    A line of its own (an item of a list, a heading, a row of a table) counts as a sentence, and so does a fenced block
    of code as a whole. Lines that go on in small letters are one sentence wrapped.
    """
    first = len(text) - len(text.lstrip())
    last = len(text.rstrip())
    if first >= last:
        return [(0, len(text))]
    fences = [match.span() for match in _FENCE.finditer(text)]
    spans, start = [], first
    for match in _BREAK.finditer(text, first, last):
        end = match.start() if match["line"] else match.end()
        space = _SPACE.match(text, end)
        following = space.end() if space else end
        if start < end and following < last and _is_end(text, match, end, following, fences):
            spans.append((start, start + len(text[start:end].rstrip())))
            start = following
    return [*spans, (start, last)]


def _is_end(text: str, match: re.Match[str], end: int, following: int, fences: Sequence[Span]) -> bool:
    """Whether a sentence ends at `end`, the next one beginning at `following`."""
    if any(start < end < stop for start, stop in fences):
        return False
    gap = text[end:following]
    if gap.count("\n") > 1 or any(end == stop for _, stop in fences):
        return True
    if text[following].islower():
        return False
    if match["stop"] is None or "\n" in gap:
        return True
    line = text[text.rfind("\n", 0, end) + 1 : end]
    before, _, word = line.rpartition(" ")
    word = word.strip("\"'“‘«([*_")
    if not before.strip(" \t>-*#") and _ENUMERATOR.fullmatch(word):
        return False
    is_short_form = word[:-1].lower() in _ABBREVIATIONS or _INITIALS.fullmatch(word) is not None
    return word == "I." or not is_short_form


def without_each(text: str, spans: Sequence[Span]) -> list[str]:
    """The text without each of its sentences in turn, and without the white space on one side of it: a paragraph whose
    last sentence goes still ends there.

    [] for a text of a single sentence, of which nothing would be left.
    """
    if len(spans) < 2:
        return []
    left = []
    for place, (start, end) in enumerate(spans):
        before = text[spans[place - 1][1] : start] if place > 0 else None
        after = text[end : spans[place + 1][0]] if place + 1 < len(spans) else None
        if after is None or (before is not None and before.count("\n") < after.count("\n")):
            left.append(text[: spans[place - 1][1]] + text[end:])
        else:
            left.append(text[:start] + text[spans[place + 1][0] :])
    return left


def pieces(text: str, spans: Sequence[Span]) -> list[str]:
    """The sentences with all the white space around them: put together, they are the text again."""
    starts = [0, *(start for start, _ in spans[1:]), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(starts)]
