"""Constitutions, judges and AI ratings for tests."""

from collections.abc import Iterable
from typing import Any

from annotate.comparisons.models import Comparison
from annotate.projects.models import Project
from training.judges.models import ConstitutionVersion, Judge, JudgeRun
from training.judges.services import PrincipleText, create_constitution, publish_constitution, store_judgements

PRINCIPLES = [
    PrincipleText("Prefer what is true.", "helpfulness"),
    PrincipleText("Prefer what harms nobody.", "safety"),
]


def make_version(project: Project, name: str = "House rules", principles: Any = PRINCIPLES) -> ConstitutionVersion:
    draft = create_constitution(project=project, name=name, principles=principles, author=None)
    return publish_constitution(constitution=draft.constitution, actor=None)


def make_judge(project: Project, *, version: ConstitutionVersion | None = None, **fields: Any) -> Judge:
    version = version or make_version(project)
    return Judge.objects.create(project=project, version=version, **{"name": "path:/models/judge", **fields})


def make_run(judge: Judge, **fields: Any) -> JudgeRun:
    number = JudgeRun.objects.filter(project=judge.project).count() + 1
    values = {"number": number, "scope": "unrated", "n_comparisons": 100, **fields}
    return JudgeRun.objects.create(project=judge.project, judge=judge, **values)


def judge_them(judge: Judge, judged: Iterable[tuple[Comparison, float]], run: JudgeRun | None = None) -> JudgeRun:
    """Store P(a) of comparisons, the same in both orders, by the constitution's first principle."""
    run = run or make_run(judge)
    principle = judge.version.principles.order_by("position")[0].pk
    store_judgements(run=run, judgements=[judgement(pk.pk, principle, p) for pk, p in judged])
    return run


def judgement(comparison: int, principle: int, p: float, **fields: Any) -> dict[str, Any]:
    return {
        "id": comparison,
        "principle": principle,
        "p_a": p,
        "p_first_order": p,
        "p_second_order": p,
        "has_probabilities": True,
        "rationale": "",
        **fields,
    }
