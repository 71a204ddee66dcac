"""What the overview and the pages on agreement show, from what the snapshot's task has stored."""

from decimal import Decimal
from typing import Any

from django.db.models import F, FloatField, Q, QuerySet
from django.db.models.functions import Greatest

from annotate.accounts.models import User
from annotate.agreement.models import (
    AgreementSnapshot,
    ComparisonAnswer,
    CrossFittedOpinion,
    LabellerFigures,
    ModelOpinion,
)
from annotate.agreement.services import mark_stale, request_refresh
from annotate.common.errors import not_found
from annotate.comparisons.models import Comparison, ComparisonState
from annotate.guidelines.models import QualificationAttempt
from annotate.projects.access import Seat
from annotate.projects.models import CAPABILITIES, Capability, Membership, Message, Project, Role
from annotate.ratings.models import Rating
from annotate.ratings.selectors import counted

NO_STAT = {"value": None, "low": None, "high": None, "n": 0, "too_few": True}
_NO_COUNTS = dict.fromkeys(
    ["prompts", "completions", "comparisons", "comparisons_open", "comparisons_complete", "ratings", "labellers"], 0
)
_NO_BUCKETS = {"rate": None, "unanimous": 0, "majority": 0, "split": 0}
_CENT = Decimal("0.01")


def _snapshot(project: Project, *unread: str) -> AgreementSnapshot:
    """The project's snapshot; a stale one is asked to be made anew."""
    rows = AgreementSnapshot.objects.filter(project=project).defer(*unread)
    snapshot = rows.first()
    if snapshot is None:
        mark_stale(project_id=project.pk)
        snapshot = rows.get()
    if snapshot.stale_since is not None:
        request_refresh(project=project)
    return snapshot


# --- Overview --------------------------------------------------------------------------------------------------------


def overview(seat: Seat) -> dict[str, Any]:
    """How far the work is. When it will be done, what it costs and how well labellers agree is for who may review."""
    project = seat.project
    snapshot = _snapshot(project, "statistics")
    counts = {**_NO_COUNTS, **snapshot.counts}
    reviews = Capability.REVIEW in seat.capabilities and snapshot.computed_at is not None
    return {
        "computed_at": snapshot.computed_at,
        "is_stale": snapshot.stale_since is not None,
        "counts": counts,
        "ratings_per_day": snapshot.counts.get("ratings_per_day", []),
        "next_steps": _next_steps(project, counts),
        "forecast": snapshot.counts.get("forecast") if reviews else None,
        "cost": _cost(project, snapshot.counts.get("worked")) if reviews else None,
        "agreement": _agreement_in_short(project, snapshot.counts) if reviews else None,
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


def recent_pace(project: Project) -> list[int]:
    """Ratings that brought the work nearer to its end on each of the last days, for `metrics.forecast`; of the latest
    snapshot, so that it costs the same at any size. [] before there is one."""
    row = AgreementSnapshot.objects.filter(project=project).values_list("counts__forecast__last_days", flat=True)
    return list(row.first() or [])


def money(amount: Decimal) -> str:
    return str(amount.quantize(_CENT))


def _cost(project: Project, worked: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the active time has cost and will; None without a rate, or where no time is known."""
    pay = project.pay_per_hour
    if pay is None or worked is None or worked["spent_hours"] is None:
        return None
    spent = pay * Decimal(worked["spent_hours"])
    return {
        "currency": project.currency,
        "pay_per_hour": money(pay),
        "spent": money(spent),
        "remaining": money(pay * Decimal(worked["remaining_hours"])),
        "per_comparison": money(spent / worked["n_comparisons"]) if worked["n_comparisons"] else None,
        "spent_hours": worked["spent_hours"],
        "remaining_hours": worked["remaining_hours"],
        "is_estimated": worked["is_estimated"],
    }


def _agreement_in_short(project: Project, counts: dict[str, Any]) -> dict[str, Any]:
    found = counts.get("agreement", {})
    return {
        "alpha_nominal": found.get("alpha_nominal", NO_STAT),
        "disagreement": _buckets(project, found),
        "n_worth": counts.get("n_worth", 0),
    }


def _buckets(project: Project, found: dict[str, Any]) -> dict[str, Any]:
    buckets = found.get("disagreement", _NO_BUCKETS)
    limit = project.disagreement_limit
    return {**buckets, "limit": limit, "is_above": (buckets["rate"] or 0) > limit}


# --- Agreement -------------------------------------------------------------------------------------------------------

_NUMBERS = ("n_ratings", "n_comparisons", "n_multiply_rated", "n_labellers", "excluded_labellers")
_STATS = ("percent_agreement", "alpha_nominal", "alpha_ordinal", "fleiss_kappa")


def agreement(seat: Seat) -> dict[str, Any]:
    project = seat.project
    snapshot = _snapshot(project)
    found = snapshot.statistics
    return {
        "axes": _axes(seat),
        "models": found.get("models"),
        "computed_at": snapshot.computed_at,
        "is_stale": snapshot.stale_since is not None,
        **{name: found.get(name, 0) for name in _NUMBERS},
        **{name: found.get(name, NO_STAT) for name in _STATS},
        "disagreement": _buckets(project, found),
        **{name: found.get(name, []) for name in ("over_time", "versions", "slices")},
    }


def _axes(seat: Seat) -> list[dict[str, Any]]:
    """The projects over the same completions that the caller may review, this one first: one axis each."""
    shared = AgreementSnapshot.objects.filter(project__pool=seat.project.pool_id).select_related("project")
    if not seat.user.is_superuser:
        reviewing = [role for role, may in CAPABILITIES.items() if Capability.REVIEW in may]
        seats = Membership.objects.filter(user=seat.user, is_active=True, role__in=reviewing)
        shared = shared.filter(Q(project__in=seats.values("project")) | Q(project=seat.project))
    rows = [
        {
            "slug": one.project.slug,
            "axis": one.project.axis,
            "name": one.project.name,
            "n_ratings": one.counts.get("agreement", {}).get("n_ratings", 0),
            "alpha_nominal": one.counts.get("agreement", {}).get("alpha_nominal", NO_STAT),
            "disagreement": _buckets(one.project, one.counts.get("agreement", {})),
        }
        for one in shared.defer("statistics").order_by("project")
    ]
    return sorted(rows, key=lambda row: row["slug"] != seat.project.slug)


def pairs(project: Project) -> dict[str, Any]:
    """κ of every two of the labellers with the most ratings."""
    found = _snapshot(project).statistics.get("pairs")
    if not found:
        return {"labellers": [], "kappa": [], "low": [], "high": [], "n": [], "weighted": []}
    ids = [labeller["id"] for labeller in found["labellers"]]
    pseudonyms = dict(User.objects.filter(pk__in=ids).values_list("id", "pseudonym"))
    return {**found, "labellers": [{**one, "pseudonym": pseudonyms.get(one["id"], "")} for one in found["labellers"]]}


# --- Labellers -------------------------------------------------------------------------------------------------------

ORDERINGS = (
    "n_ratings",
    "n_findings",
    "reliability",
    "with_others",
    "gold",
    "self_agreement",
    "first_side",
    "longer",
    "too_fast",
    "median_active_ms",
    "drift",
)
STATS_OF_LABELLER = (
    "reliability",
    "with_others",
    "gold",
    "self_agreement",
    "first_side",
    "longer",
    "longer_excess",
    "too_fast",
    "drift",
)


def labellers(seat: Seat, *, ordering: str = "-n_ratings", search: str = "") -> QuerySet[LabellerFigures]:
    """Everybody with ratings, as of the snapshot, sorted by a figure; those without it come last."""
    rows = LabellerFigures.objects.filter(project=seat.project).select_related("labeller")
    if search:
        named = Q(labeller__pseudonym__icontains=search)
        rows = rows.filter(named | Q(labeller__name__icontains=search) if seat.may_see_names else named)
    key = F(ordering.removeprefix("-"))
    order = key.desc(nulls_last=True) if ordering.startswith("-") else key.asc(nulls_last=True)
    return rows.order_by(order, "labeller_id")


def labeller_rows(seat: Seat, figures: list[LabellerFigures]) -> list[dict[str, Any]]:
    """The rows of a page of labellers, with their place in the project. One query."""
    members = Membership.objects.filter(project=seat.project, user__in=[one.labeller_id for one in figures])
    by_user = {member.user_id: member for member in members}
    return [_labeller_row(seat, one.labeller, one, by_user.get(one.labeller_id)) for one in figures]


def _labeller_row(seat: Seat, user: User, figures: LabellerFigures | None, member: Membership | None) -> dict[str, Any]:
    found = figures.figures if figures else {}
    return {
        "id": user.pk,
        "membership": member.pk if member else None,
        "pseudonym": user.pseudonym,
        "kind": user.kind,
        "name": user.name if seat.may_see_names else None,
        "n_ratings": figures.n_ratings if figures else 0,
        **{name: found.get(name, NO_STAT) for name in STATS_OF_LABELLER},
        "median_active_ms": figures.median_active_ms if figures else None,
        "findings": found.get("findings", []),
        "paused_at": member.paused_at if member else None,
        "pause_reason": member.pause_reason if member else "",
        "excluded_at": member.excluded_at if member else None,
        "exclusion_reason": member.exclusion_reason if member else "",
        "is_active": member.is_active if member else False,
    }


def access_labeller(project: Project, labeller_id: int) -> tuple[User, Membership | None]:
    """Somebody who is a member of the project or has rated in it; 404 for all others."""
    user = User.objects.filter(pk=labeller_id).first()
    member = Membership.objects.filter(project=project, user=labeller_id).first()
    if user is None or (member is None and not Rating.objects.filter(project=project, labeller=labeller_id).exists()):
        raise not_found("labeller")
    return user, member


def labeller(seat: Seat, labeller_id: int) -> dict[str, Any]:
    """All that is known of one labeller. A fixed number of queries."""
    user, member = access_labeller(seat.project, labeller_id)
    figures = LabellerFigures.objects.filter(project=seat.project, labeller=user).first()
    found = figures.figures if figures else {}
    attempts = QualificationAttempt.objects.filter(labeller=user, version__project=seat.project)
    reads_messages = Capability.ADJUDICATE in seat.capabilities
    messages = Message.objects.filter(project=seat.project, recipient=user).select_related("sender").order_by("-id")
    return {
        **_labeller_row(seat, user, figures, member),
        "weeks": found.get("weeks", []),
        "versions": found.get("versions", []),
        "qualifications": [
            {
                "version": attempt.version.number,
                "passed": attempt.passed,
                "n_right": attempt.n_right,
                "n_questions": attempt.n_questions,
                "revoked_at": attempt.revoked_at,
                "created_at": attempt.created_at,
            }
            for attempt in attempts.select_related("version").defer("version__body").order_by("-id")[:100]
        ],
        "messages": list(messages[:100]) if reads_messages else [],
    }


def dissent(project: Project, labeller_id: int) -> QuerySet[Rating]:
    """The labeller's ratings that are not what all ratings together say, newest first by `ratings_by_labeller`."""
    user, _ = access_labeller(project, labeller_id)
    p = {"a": F("comparison__answer__p_a"), "b": F("comparison__answer__p_b"), "tie": F("comparison__answer__p_tie")}
    best = Greatest(*p.values(), output_field=FloatField())
    differs = Q(preferred="a", p_best__gt=p["a"]) | Q(preferred="b", p_best__gt=p["b"])
    return (
        counted(Rating.objects.filter(project=project, labeller=user))
        .annotate(p_best=best)
        .filter(differs | Q(preferred="tie", p_best__gt=p["tie"]))
        .select_related("comparison__prompt", "comparison__answer")
    )


# --- Disagreements ---------------------------------------------------------------------------------------------------


def disagreements(project: Project, reason: str = "") -> QuerySet[ComparisonAnswer]:
    """What is worth a reviewer's look, of what is neither settled, gold nor closed now, nor on its way to labellers
    again. Served in order by the index `comparison_answers_worth`."""
    rows = ComparisonAnswer.objects.filter(
        project=project,
        worth__gt=0,
        comparison__state__in=[ComparisonState.OPEN, ComparisonState.COMPLETE],
        comparison__gold_preferred=None,
    )
    if reason:
        rows = rows.filter(reasons__contains=[reason])
    is_flagged_only = Q(reasons=["flagged"]) | (Q(reasons__contains=[reason]) if reason == "flagged" else Q(pk=None))
    return (
        rows.exclude(is_flagged_only, comparison__n_flags=0)
        .exclude(comparison__state=ComparisonState.OPEN, comparison__n_required__gt=F("comparison__n_ratings"))
        .select_related("comparison__prompt", "comparison__model_opinion", "comparison__cross_fitted_opinion")
        .defer("comparison__prompt__messages")
    )


def model_of(comparison: Comparison) -> ModelOpinion | None:
    return getattr(comparison, "model_opinion", None)


def cross_fitted_of(comparison: Comparison) -> CrossFittedOpinion | None:
    return getattr(comparison, "cross_fitted_opinion", None)


def reasons_now(answer: ComparisonAnswer, comparison: Comparison) -> list[str]:
    """A flag that has been dealt with is no reason any more, whatever the snapshot says."""
    return [reason for reason in answer.reasons if reason != "flagged" or comparison.n_flags]


def answer_of(project: Project, comparison_id: int) -> dict[str, Any]:
    """What the ratings of a comparison say together, what the reward model says, and why a look is worth it."""
    comparison = (
        Comparison.objects.filter(project=project, pk=comparison_id)
        .select_related("answer", "model_opinion", "cross_fitted_opinion")
        .first()
    )
    if comparison is None:
        raise not_found("comparison")
    answer: ComparisonAnswer | None = getattr(comparison, "answer", None)
    is_open = comparison.gold_preferred is None and comparison.state in (ComparisonState.OPEN, ComparisonState.COMPLETE)
    return {
        "answer": answer if answer and answer.n_ratings else None,
        "model": model_of(comparison),
        "cross_fitted": cross_fitted_of(comparison),
        "worth": (answer.worth if is_open else 0.0) if answer else None,
        "reasons": reasons_now(answer, comparison) if answer and is_open else [],
    }
