"""Two whole refreshes with simulated labellers: the policy moves, drift starts the second, and its model is better on
what the policy writes now and not worse on before. Judged by the simulator's truth, on prompts of their own."""

import itertools
import random
from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import pytest

from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.models import Membership, Role
from tests.cast import Cast, make_user, sha256
from tests.training.real import tiny_config
from tests.training.refresh.conftest import wait_for, wait_for_job
from training.demo import simulator
from training.drift.models import DriftReport
from training.refresh import schedule
from training.refresh.models import RefreshCycle
from training.refresh.services import advance_waiting, start_refresh
from training.reward.models import RewardModel, RewardModelState
from training.reward.services import promote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

N_PROMPTS, N_JUDGED = 300, 400
BUDGET = 240
BEST_OF = 16
SIMULATED = sorted(simulator.LABELLERS, key=lambda one: one.carelessness + one.temperature)[:3]


def before(prompts: list[simulator.DemoPrompt], seed: int) -> list[list[str]]:
    """Two completions of each prompt as they were written for the first reward model to learn from."""
    rng = random.Random(seed)
    return [[simulator.write(prompt, "sft", rng), simulator.write(prompt, "early_policy", rng)] for prompt in prompts]


def after(prompts: list[simulator.DemoPrompt], seed: int, model: RewardModel) -> list[list[str]]:
    """What a policy writes that has found out what the model likes, beside an honest completion: the best of some
    flattering, overclaiming ones by its reward."""
    rng = random.Random(seed)
    drafts = [[simulator.write(prompt, "adversarial", rng) for _ in range(BEST_OF)] for prompt in prompts]
    asked = [(prompt.messages, text) for prompt, row in zip(prompts, drafts, strict=True) for text in row]
    best = np.asarray(score(model, asked)).reshape(-1, BEST_OF).argmax(1)
    honest = [simulator.write(prompt, "current_policy", rng) for prompt in prompts]
    return [[row[pick], text] for row, pick, text in zip(drafts, best, honest, strict=True)]


def score(model: RewardModel, texts: list) -> list[float]:
    from training.engine.reward.model import RewardModel as Engine

    return list(Engine.load(model.artifact_uri).score(texts))


def store(
    cast: Cast, rows: list[Prompt], texts: list[list[str]], name: str, kind: str
) -> Iterator[tuple[int, int, int]]:
    """Put completions into the pool; the pairs of each prompt that has two different ones."""
    source = CompletionSource.objects.create(pool=cast.project.pool, name=name, kind=kind)
    for prompt, pair in zip(rows, texts, strict=True):
        known = set(prompt.completions.values_list("text", flat=True))
        fresh = [text for text in dict.fromkeys(pair) if text not in known]
        made = [
            Completion.objects.create(prompt=prompt, source=source, text=text, digest=sha256(text)) for text in fresh
        ]
        if len(made) == 2:
            yield prompt.pk, made[0].pk, made[1].pk


class Labellers:
    """The simulated labellers as people of the project, who rate what the API gives them."""

    def __init__(self, cast: Cast) -> None:
        self.url = f"/api/v1/projects/{cast.project.slug}"
        self.rng = random.Random(5)
        self.people = []
        for one in SIMULATED:
            user = make_user(one.name.lower())
            Membership.objects.create(project=cast.project, user=user, role=Role.LABELLER)
            self.people.append((one, cast.client(user)))

    def rate(self, until: Callable[[], bool]) -> int:
        """Rate in turns until that is so or nothing is left; how many ratings."""
        n = idle = 0
        for labeller, client in itertools.cycle(self.people):
            if until() or idle == len(self.people):
                break
            given = client.post(f"{self.url}/next", {"n": 10}, format="json").json()["assignments"]
            idle = 0 if given else idle + 1
            if given:
                body = {"ratings": [self._rating(labeller, one) for one in given]}
                told = client.post(f"{self.url}/ratings", body, format="json").json()
                assert {row["status"] for row in told["results"]} == {"accepted"}
                n += len(given)
        return n

    def _rating(self, labeller: simulator.SimulatedLabeller, one: dict) -> dict:
        first, second = one["first"]["text"], one["second"]["text"]
        said = simulator.rate(labeller, one["prompt"]["messages"], first, second, self.rng)
        return {
            "client_id": str(uuid4()),
            "assignment_id": one["id"],
            "preferred": said.preferred,
            "intensity": said.intensity,
            "active_ms": said.active_ms,
        }


def accuracy(model: RewardModel, prompts: list[simulator.DemoPrompt], texts: list[list[str]]) -> float:
    """Against the truth, on pairs whose worth differs clearly."""
    pairs = []
    for prompt, (first, second) in zip(prompts, texts, strict=True):
        gap = simulator.true_utility(prompt.messages, first) - simulator.true_utility(prompt.messages, second)
        if abs(gap) > 0.3:
            pairs.append((prompt.messages, first, second, gap))
    rewards = score(model, [(messages, text) for messages, *sides, _ in pairs for text in sides])
    right = sum((a - b) * pair[-1] > 0 for a, b, pair in zip(rewards[::2], rewards[1::2], pairs, strict=True))
    assert len(pairs) >= 100
    return right / len(pairs)


def test_the_second_model_is_better_on_what_the_policy_writes_now_and_not_worse_on_before(cast, celery_workers):
    cast.project.min_ratings = cast.project.max_ratings = 1
    cast.project.save()
    world = list(simulator.prompts(N_PROMPTS + N_JUDGED, "cycles"))
    asked, judged = world[:N_PROMPTS], world[N_PROMPTS:]
    rows = [
        Prompt.objects.create(
            pool=cast.project.pool, messages=one.messages, digest=sha256(one.key), excerpt=one.key[:200]
        )
        for one in asked
    ]
    pairs = list(store(cast, rows, before(asked, 1), "sft", SourceKind.SFT))
    add_comparisons(project=cast.project, pairs=pairs)
    labellers = Labellers(cast)
    assert labellers.rate(until=lambda: False) == len(pairs)
    config = tiny_config(budget=BUDGET, epochs=8, learning_rate=3e-3, patience=10, checkpoint_steps=100)
    first = start_refresh(project=cast.project, config=config, created_by=cast.researcher)
    assert wait_for_job(first).state == "succeeded"
    v1 = RewardModel.objects.get()
    if v1.state == RewardModelState.CANDIDATE:
        promote(model=v1, reason="for this test", actor=None)

    # Nothing has moved yet: no refresh is due.
    schedule.set_schedule(
        project=cast.project, is_enabled=True, on_drift=True, new_ratings=None, every_days=None, config=config,
        actor=cast.researcher,
    )  # fmt: skip
    list(store(cast, rows, after(asked, 2, v1), "policy", SourceKind.CURRENT_POLICY))
    assert schedule.start_due() == 0
    report = DriftReport.objects.get()
    wait_for(lambda: DriftReport.objects.get(pk=report.pk).finished_at, 120, "the drift report")
    report.refresh_from_db()
    assert report.verdict == "strong"
    assert schedule.start_due() == 1

    second = RefreshCycle.objects.get(number=2)
    assert second.trigger == "drift" and f"Drift report {report.number}" in second.trigger_reason
    wait_for_job(second)
    assert second.state == "waiting"
    url = f"/api/v1/projects/{cast.project.slug}/refreshes/{second.pk}"
    client = cast.client(cast.researcher)
    assert client.get(url).json()["labelling"]["n_target"] == 0.9 * BUDGET
    labellers.rate(until=lambda: advance_waiting() == 1)
    assert wait_for_job(second).state == "succeeded"
    told = client.get(url).json()
    assert told["state"] == "succeeded"
    v2 = RewardModel.objects.get(version=2)

    moved, old = after(judged, 3, v1), before(judged, 4)
    now = [accuracy(model, judged, moved) for model in (v1, v2)]
    then = [accuracy(model, judged, old) for model in (v1, v2)]
    print(now, then)
    assert now[1] > now[0] + 0.1, (now, then)
    assert then[1] > then[0] - 0.05, (now, then)
