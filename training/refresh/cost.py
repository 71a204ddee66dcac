"""What a refresh would take, before it is started: labels, hours, money, days, and the machine's time."""

import statistics
from collections import defaultdict
from typing import Any

from annotate.projects.models import Project
from training.generation import services as generation
from training.refresh.config import RefreshConfig
from training.refresh.labelling import when_done
from training.refresh.models import RefreshStage, StageName, StageState
from training.refresh.stages import NO_MODEL, NOT_ASKED
from training.reward.models import RewardModel, RewardModelState
from training.sampling import selectors as sampling

# A stage takes what it took in the last few refreshes of the project; the median of these.
LATELY = 5
PEOPLE = (StageName.LABEL,)


def preview(project: Project, config: RefreshConfig) -> dict[str, Any]:
    """stages: of each, why it would leave itself out, else None, and the seconds it took lately (None: never yet).
    seconds: of all that would run, as far as is known. candidates: `generation.services.estimate`. labels: what the
    round would ask for; None where it asks for nothing. Raises ValidationError by field.
    """
    skipped = _skipped(project, config)
    took = _took_lately(project)
    stages = [
        {"name": name, "skipped": skipped.get(name), "seconds": None if name in skipped else took.get(name)}
        for name in StageName.values
    ]
    known = [stage["seconds"] for stage in stages if stage["seconds"] is not None]
    estimate = None
    if StageName.CANDIDATES not in skipped and config.candidates is not None:
        estimate = generation.estimate(project=project, options=config.candidates)
    return {
        "stages": stages,
        "seconds": sum(known) if known else None,
        "candidates": estimate,
        "labels": None if StageName.SAMPLE in skipped else _labels(project, config, estimate),
    }


def _skipped(project: Project, config: RefreshConfig) -> dict[str, str]:
    if not config.ask:
        return dict.fromkeys([StageName.DRIFT, StageName.CANDIDATES, StageName.SAMPLE, StageName.LABEL], NOT_ASKED)
    models = RewardModel.objects.filter(project=project)
    found: dict[str, str] = {}
    is_promoted = models.filter(state=RewardModelState.PROMOTED).exists()
    if not is_promoted:
        found[StageName.DRIFT] = "No reward model is in use that could have drifted."
    if not is_promoted and not models.filter(state=RewardModelState.CANDIDATE).exists():
        found |= dict.fromkeys([StageName.CANDIDATES, StageName.SAMPLE, StageName.LABEL], NO_MODEL)
    elif config.candidates is None:
        found[StageName.CANDIDATES] = "Pairs are chosen from the pool as it is."
    return found


def _took_lately(project: Project) -> dict[str, int]:
    """Seconds of each stage that a machine does: the median of the last few."""
    rows = RefreshStage.objects.filter(cycle__project=project, state=StageState.SUCCEEDED)
    rows = rows.filter(started_at__isnull=False, finished_at__isnull=False)
    latest = rows.exclude(name__in=PEOPLE).order_by("-cycle__number").values_list("name", "started_at", "finished_at")
    by_name: dict[str, list[float]] = defaultdict(list)
    for name, started, finished in latest[: LATELY * len(StageName.values)]:
        assert started is not None and finished is not None  # both are filtered for
        by_name[name].append((finished - started).total_seconds())
    return {name: round(statistics.median(seconds)) for name, seconds in by_name.items()}


def _labels(project: Project, config: RefreshConfig, estimate: dict[str, int] | None) -> dict[str, Any]:
    """As a round's preview; with new completions, the pairs that these alone would make."""
    found = sampling.preview(project, config.sampling)
    if estimate is not None and config.candidates is not None:
        written = sum(row.n for row in config.candidates.mix)
        n_pairs = estimate["n_prompts"] * written * (written - 1) // 2
        found |= {"n_pairs": n_pairs, "is_estimate": True}
        found |= sampling.labels_of(project, config.sampling, min(config.sampling.budget, n_pairs))
    wanted = ("n_pairs", "is_estimate", "n_chosen", "n_random", "n_labels", "ratings_each", "hours", "cost", "currency")
    n_target = round(found["n_labels"] * config.labelling.target_share)
    return {name: found[name] for name in wanted} | {"days": when_done(project, n_target).days}
