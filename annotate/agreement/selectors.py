"""What the overview and agreement pages show, from the snapshot alone."""

from typing import Any

from annotate.agreement.models import AgreementSnapshot
from annotate.agreement.services import mark_stale, request_refresh
from annotate.projects.models import Membership, Project, Role

_NO_STAT = {"value": None, "low": None, "high": None, "n": 0, "too_few": True}
_NO_COUNTS = dict.fromkeys(
    ["prompts", "completions", "comparisons", "comparisons_open", "comparisons_complete", "ratings", "labellers"], 0
)


def _snapshot(project: Project) -> AgreementSnapshot:
    """The project's snapshot; a stale one is asked to be made anew."""
    snapshot = AgreementSnapshot.objects.filter(project=project).first()
    if snapshot is None:
        mark_stale(project_id=project.pk)
        snapshot = AgreementSnapshot.objects.get(project=project)
    if snapshot.stale_since is not None:
        request_refresh(project=project)
    return snapshot


def overview(project: Project) -> dict[str, Any]:
    snapshot = _snapshot(project)
    counts = {**_NO_COUNTS, **snapshot.counts}
    return {
        "computed_at": snapshot.computed_at,
        "is_stale": snapshot.stale_since is not None,
        "counts": counts,
        "ratings_per_day": snapshot.counts.get("ratings_per_day", []),
        "next_steps": _next_steps(project, counts),
    }


def _next_steps(project: Project, counts: dict[str, int]) -> list[dict[str, str]]:
    """What a new project still lacks, in the order in which it is done."""
    base = f"/projects/{project.slug}"
    has_labellers = Membership.objects.filter(project=project, role=Role.LABELLER, is_active=True).exists()
    n_paused = Membership.objects.filter(project=project, is_active=True, paused_at__isnull=False).count()
    paused = "A labeller is paused" if n_paused == 1 else f"{n_paused} labellers are paused"
    steps = [
        (n_paused > 0, "paused", paused, f"{base}/members"),
        (counts["comparisons"] == 0, "import", "Import prompts and completions", f"{base}/imports"),
        (not project.guideline_versions.exists(), "guidelines", "Write guidelines", f"{base}/guidelines/edit"),
        (not has_labellers, "invite", "Invite labellers", f"{base}/members"),
        (counts["comparisons_open"] > 0, "label", "Rate comparisons", f"{base}/label"),
        (counts["ratings"] > 0, "refresh", "Train a reward model", f"{base}/refreshes"),
    ]
    return [{"code": code, "label": label, "href": href} for is_due, code, label, href in steps if is_due]


def agreement(project: Project) -> dict[str, Any]:
    snapshot = _snapshot(project)
    found = snapshot.statistics
    disagreement = found.get("disagreement", {"rate": None, "unanimous": 0, "majority": 0, "split": 0})
    limit = project.disagreement_limit
    return {
        "computed_at": snapshot.computed_at,
        "is_stale": snapshot.stale_since is not None,
        **{name: found.get(name, 0) for name in ("n_ratings", "n_comparisons", "n_multiply_rated", "n_labellers")},
        **{name: found.get(name, _NO_STAT) for name in ("percent_agreement", "alpha_nominal", "alpha_ordinal")},
        "disagreement": {**disagreement, "limit": limit, "is_above": (disagreement["rate"] or 0) > limit},
        "labellers": found.get("labellers", []),
    }
