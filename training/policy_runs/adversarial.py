"""What fooled the reward model: texts that it likes and that a better judge does not, kept for the next refresh."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from django.db import transaction

from annotate.accounts.models import User
from annotate.common.errors import DomainError
from annotate.pool.models import Completion, SourceKind
from annotate.projects import audit
from training.generation.options import GenerationOptions
from training.generation.sources import default_mix
from training.policy_runs.models import Outcome, PolicyRun, PolicySample
from training.policy_runs.people import as_stored, outcomes, put_before_people, source_of
from training.refresh.config import RefreshConfig
from training.refresh.models import RefreshCycle
from training.refresh.services import start_refresh


@dataclass(frozen=True)
class Fooled:
    """Ids of samples that fooled the reward model: by people's verdict, by the second model's, and of them all, those
    that are kept already."""

    by_people: frozenset[int]
    by_gold: frozenset[int]
    kept: frozenset[int]

    @property
    def all(self) -> frozenset[int]:
        return self.by_people | self.by_gold

    def to_dict(self) -> dict[str, int]:
        return {
            "n": len(self.all),
            "n_by_people": len(self.by_people),
            "n_by_gold": len(self.by_gold),
            "n_kept": len(self.kept),
        }


def fooled(run: PolicyRun) -> Fooled:
    """Of each evaluation, the samples whose reward gained most over the reference's, the upper half and above 0, while
    people prefer the reference, or the second model gives it more. What people say goes before what a model says.

    Two queries.
    """
    said = {one.sample_id: one.outcome for one in outcomes(run) if one.outcome}
    columns = (
        *("pk", "evaluation_id", "reward", "reference_reward", "gold", "reference_gold"),
        *("completion", "is_kept"),
    )
    of_evaluation: dict[int, list[tuple[int, float, float | None, bool]]] = defaultdict(list)
    rows = PolicySample.objects.filter(evaluation__run=run, evaluation__step__gt=0).values_list(*columns)
    kept = set()
    for pk, evaluation, reward, other, gold, other_gold, text, is_kept in rows:
        better = None if gold is None or other_gold is None else gold - other_gold
        of_evaluation[evaluation].append((pk, reward - other, better, bool(as_stored(text).strip())))
        if is_kept:
            kept.add(pk)
    by_people, by_gold = set(), set()
    for samples in of_evaluation.values():
        middle = statistics.median(gain for _, gain, _, _ in samples)
        for pk, gain, better, has_text in samples:
            if not has_text or gain <= 0 or gain < middle:
                continue
            if pk in said:
                if said[pk] == Outcome.LOSS:
                    by_people.add(pk)
            elif better is not None and better < 0:
                by_gold.add(pk)
    found = frozenset(by_people), frozenset(by_gold)
    return Fooled(*found, frozenset(kept) & (found[0] | found[1]))


def keep_adversarial(
    *, run: PolicyRun, is_refresh_started: bool, actor: User | None
) -> tuple[int, RefreshCycle | None]:
    """Make what fooled the model adversarial completions of the pool, each with its reference as a comparison on top of
    the queue, and where asked start a refresh; (how many are new, the refresh).

    All of it or nothing. Locks the run's row. Raises DomainError "nothing_fooled", and what `start_refresh` raises.
    """
    with transaction.atomic():
        locked = PolicyRun.objects.select_for_update(of=("self",)).select_related("project").get(pk=run.pk)
        found = fooled(locked)
        if not found.all:
            raise DomainError(
                "nothing_fooled",
                "No completion is known that the reward model likes and a better judge does not: ask people first.",
            )
        new = list(
            PolicySample.objects.filter(pk__in=found.all - found.kept)
            .select_related("evaluation__run__project")
            .order_by("pk")
        )
        source = source_of(locked, "fooled the reward model", SourceKind.ADVERSARIAL)
        # Those that people were asked about are in the pool as the policy's.
        mine = [one.completion_row_id for one in new if one.completion_row_id is not None]
        Completion.objects.filter(pk__in=mine, source__checkpoint=source.checkpoint).update(source=source)
        PolicySample.objects.filter(pk__in=[one.pk for one in new]).update(is_kept=True)
        unasked = [one for one in new if one.comparison_id is None]
        by_step: dict[int, list[PolicySample]] = defaultdict(list)
        for one in unasked:
            by_step[one.evaluation.step].append(one)
        for samples in by_step.values():
            put_before_people(locked.project, samples, source)
        if new:
            audit.record(
                project=locked.project,
                actor=actor,
                action="policy_run.adversarial_kept",
                summary=f"{len(new)} completions of {locked} that fooled its reward model are kept",
                target=locked,
                n=len(new),
            )
        cycle = None
        if is_refresh_started:
            cycle = start_refresh(
                project=locked.project, config=_config(locked), name=f"After {locked}"[:120], created_by=actor
            )
    return len(new), cycle


def _config(run: PolicyRun) -> RefreshConfig:
    """New completions by the models of now, the policy that is kept first among them."""
    return RefreshConfig(candidates=GenerationOptions(mix=default_mix(run.project)))
