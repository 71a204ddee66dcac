"""What a scorer tells Prometheus about itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import prometheus_client as prometheus
from prometheus_client.core import GaugeMetricFamily

from training.engine.scoring.batcher import Batcher
from training.engine.scoring.models import Models, ServedModel

# Rewards are counted in standard deviations of the model's own training texts, so that one set of buckets fits all.
_DEVIATIONS = (-4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECENT = 2_000


class Metrics:
    """Counters and gauges of one scorer, in a registry of their own."""

    def __init__(self, models: Models, batcher: Batcher) -> None:
        self.registry = to = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter("scorer_requests", "Requests by outcome", ["code"], registry=to)
        self.completions = prometheus.Counter("scorer_completions", "Completions scored", ["model"], registry=to)
        self.truncated = prometheus.Counter(
            "scorer_completions_truncated", "Completions scored of which the model could not read all", ["model"],
            registry=to,
        )  # fmt: skip
        self.tokens = prometheus.Counter("scorer_tokens", "Tokens of scored texts", ["model"], registry=to)
        self.seconds = prometheus.Histogram(
            "scorer_request_seconds", "From request to answer", buckets=_SECONDS, registry=to
        )
        self.reward = prometheus.Histogram(
            "scorer_reward_deviations", "Rewards in standard deviations from the mean of the training texts", ["model"],
            buckets=_DEVIATIONS, registry=to,
        )  # fmt: skip
        for name, text, read in (
            ("scorer_queue_completions", "Completions that wait", lambda: batcher.n_waiting),
            ("scorer_batch_fill", "Token budget used by the last batch, 0 to 1", lambda: batcher.batch_fill),
            ("scorer_models", "Models served", lambda: len(models.all())),
        ):
            prometheus.Gauge(name, text, registry=to).set_function(read)
        self._drift = _Drift(models)
        to.register(self._drift)

    def scored(self, model: ServedModel, rewards: Sequence[float], n_tokens: int, n_truncated: int) -> None:
        """Count what a request got from one model."""
        self.completions.labels(model.label).inc(len(rewards))
        self.tokens.labels(model.label).inc(n_tokens)
        self.truncated.labels(model.label).inc(n_truncated)
        observed = self.reward.labels(model.label)
        deviations = [(reward - model.scale.mean) / model.scale.std for reward in rewards]
        for one in deviations:
            observed.observe(one)
        self._drift.add(model.label, deviations)


class _Drift:
    """Mean and spread of each served model's last RECENT rewards, beside what they were on its training texts.

    A shift of one says that completions score a standard deviation above those that the model learned from: the policy
    has moved on, or has found what the model overrates.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._recent: dict[str, deque[float]] = {}

    def add(self, label: str, deviations: Iterable[float]) -> None:
        self._recent.setdefault(label, deque(maxlen=RECENT)).extend(deviations)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        shift = GaugeMetricFamily(
            "scorer_reward_shift", "Mean of recent rewards, in deviations from the training texts'", labels=["model"]
        )
        spread = GaugeMetricFamily(
            "scorer_reward_spread",
            "Deviation of recent rewards, in those of the training texts",
            labels=["model"],
        )
        served = {model.label for model in self._models.all()}
        for label in self._recent.keys() - served:
            del self._recent[label]
        for label, recent in self._recent.items():
            if not recent:  # all of them were no numbers
                continue
            values = np.asarray(recent, dtype=np.float64)
            shift.add_metric([label], float(values.mean()))
            spread.add_metric([label], float(values.std()))
        yield shift
        yield spread

    def describe(self) -> list[GaugeMetricFamily]:
        return []
