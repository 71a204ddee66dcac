"""Which sections and examples of the guidelines are involved in disagreement.

What labellers and reviewers wrote is laid to the section that it shares most words with (`guidelines.sections`): a hint
where to read, and shown as one. Every read is of so many rows at most, so the cost has a bound in any project.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db.models.functions import Left

from annotate.comparisons.models import Comparison
from annotate.guidelines.models import GuidelineVersion, QualificationAttempt
from annotate.guidelines.sections import Closest, Section, sections
from annotate.guidelines.selectors import current_version
from annotate.projects.models import Project
from annotate.ratings.models import Adjudication, Flag, FlagKind, Rating
from annotate.ratings.selectors import included
from annotate.ratings.services import REOPENED

# So many of the newest disputed comparisons, verdicts and flags are looked at, and of a version's first attempts.
NEWEST = 2000
COMPARISONS_SHOWN = 5
# Of a longer text the beginning tells what it is about.
_READ_OF_A_TEXT = 1000


def disagreement(project: Project) -> dict[str, Any]:
    """Sections and worked examples of the current version with what speaks of trouble with them. Nine queries at most,
    whatever there is; empty lists where there are no guidelines."""
    version = current_version(project)
    if version is None:
        return {"version": None, "sections": [], "examples": []}
    return {"version": version.number, "sections": _sections(project, version), "examples": _examples(version)}


def _sections(project: Project, version: GuidelineVersion) -> list[dict[str, Any]]:
    """In the order of the text. The comparisons of a section: those settled by it, then disputed ones, newest first."""
    parts = sections(version.body)
    settled = _settled_by(project, parts)
    flagged, disputed = _flagged_about(project, parts), _disputed_about(project, parts)
    rows = []
    for place, section in enumerate(parts):
        named = dict.fromkeys([*settled[place], *disputed[place], *flagged[place]])
        rows.append(
            {
                "heading": section.heading,
                "n_adjudications": len(settled[place]),
                "n_flags": len(flagged[place]),
                "n_disputed": len(disputed[place]),
                "comparisons": list(named)[:COMPARISONS_SHOWN],
            }
        )
    return rows


# By a section's place: ids of comparisons.
_Found = dict[int, list[int]]


def _settled_by(project: Project, parts: list[Section]) -> _Found:
    """Comparisons whose reviewer named the section."""
    places = {section.heading: place for place, section in enumerate(parts)}
    named = Adjudication.objects.filter(comparison__project=project).exclude(guideline_section="")
    rows = named.exclude(verdict=REOPENED).order_by("-id").values_list("guideline_section", "comparison_id")
    found: _Found = defaultdict(list)
    for heading, comparison_id in rows[:NEWEST]:
        if heading in places:
            found[places[heading]].append(comparison_id)
    return found


def _flagged_about(project: Project, parts: list[Section]) -> _Found:
    """Comparisons that were flagged because the guideline is unclear, by the flag's note."""
    flags = Flag.objects.filter(comparison__project=project, kind=FlagKind.GUIDELINE_UNCLEAR).exclude(note="")
    return _closest(parts, flags.order_by("-id").values_list("comparison_id", "note")[:NEWEST])


def _disputed_about(project: Project, parts: list[Section]) -> _Found:
    """Comparisons that split the labellers, by what they gave as reasons and noted with flags."""
    disputed = Comparison.objects.filter(project=project, n_dissenting__gt=0)
    ids = list(disputed.order_by("-id").values_list("id", flat=True)[:NEWEST])
    if not ids:
        return defaultdict(list)
    written: dict[int, list[str]] = {pk: [] for pk in ids}
    ratings = included(Rating.objects.filter(project=project, comparison__in=ids)).exclude(justification="")
    for text, rows in (("justification", ratings), ("note", Flag.objects.filter(comparison__in=ids).exclude(note=""))):
        for pk, said in rows.order_by("id").values_list("comparison_id", Left(text, _READ_OF_A_TEXT)):
            written[pk].append(said)
    return _closest(parts, ((pk, " ".join(texts)) for pk, texts in written.items()))


def _closest(parts: list[Section], texts: Iterable[tuple[int, str]]) -> _Found:
    finder, found = Closest(parts), defaultdict(list)
    for comparison_id, text in texts:
        if (place := finder.to(text)) is not None:
            found[place].append(comparison_id)
    return found


def _examples(version: GuidelineVersion) -> list[dict[str, Any]]:
    """How the quiz's examples were answered by those who saw them for the first time: afterwards they know the verdict.

    `mostly` is the commonest of the wrong answers.
    """
    n_answers: Counter[int] = Counter()
    wrong: dict[int, Counter[str]] = defaultdict(Counter)
    seen: set[tuple[int, int]] = set()
    attempts = QualificationAttempt.objects.filter(version=version).exclude(answers=[])
    for labeller, answers in attempts.order_by("id").values_list("labeller_id", "answers")[:NEWEST]:
        for answer in answers:
            example = answer["example"]
            if (labeller, example) in seen:
                continue
            seen.add((labeller, example))
            n_answers[example] += 1
            if not answer["is_right"]:
                wrong[example][answer["preferred"]] += 1
    return [
        {
            "id": one.pk,
            "position": one.position,
            "prompt": one.prompt,
            "n_answers": n_answers[one.pk],
            "share_wrong": _share(wrong[one.pk].total(), n_answers[one.pk]),
            "mostly": _commonest(wrong[one.pk]),
            "comparison": one.comparison_id,
        }
        for one in version.examples.all()
    ]


def _commonest(answers: Counter[str]) -> dict[str, Any] | None:
    if not answers:
        return None
    preferred, n = min(answers.items(), key=lambda answer: (-answer[1], answer[0]))
    return {"preferred": preferred, "n": n}


def _share(n_hits: int, n: int) -> dict[str, Any]:
    from annotate.agreement.metrics.stat import MIN_UNITS, Stat, wilson_interval  # brings numpy

    if n < MIN_UNITS:
        return asdict(Stat(None, None, None, n, too_few=True))
    low, high = wilson_interval(n_hits, n)
    return asdict(Stat(n_hits / n, low, high, n, too_few=False))
