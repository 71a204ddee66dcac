"""An evaluation: what the policy writes on the probe prompts, beside what its reference wrote there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.engine.common.atomic import atomic_directory, write_json, write_rows
from training.engine.common.chat import Message
from training.engine.common.distributed import Peers
from training.engine.lm.generate import Sampled, sample
from training.engine.lm.mix import sample_seed
from training.engine.policy.exploits import report
from training.engine.policy.judge import Judge, Judged
from training.engine.policy.kl import entropy, exact_kl, k1, k3
from training.engine.policy.shaping import Array
from training.engine.policy.texts import distinct_n, repetitions

# Completions sampled together, and numbers of logits held at once.
SAMPLED_TOGETHER = 64
MOST_LOGITS = 32_000_000
# A reward above this quantile of the rewards on the training data (of a normal distribution) is beyond their range.
BEYOND = 2.576
# So is a completion whose features are farther from the training texts than this share of those.
OUTLYING = 0.99


@dataclass(frozen=True)
class Prompt:
    """A prompt to train on or to probe with."""

    id: str
    messages: list[Message]
    token_ids: list[int]


@dataclass(frozen=True)
class Written:
    """Completions of all probe prompts by one model, and what the reward model and the gold judge say of them."""

    sampled: list[Sampled]
    judged: Judged
    gold: Array | None

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.sampled]


def write_completions(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], *, seed: int, temperature: float, max_new_tokens: int
) -> list[Sampled]:
    """One completion of each prompt, drawn with random numbers of the seed and the prompt alone: two policies that
    are alike write alike, so their difference is seen through less noise."""
    found: list[Sampled] = []
    for start in range(0, len(prompts), SAMPLED_TOGETHER):
        part = prompts[start : start + SAMPLED_TOGETHER]
        found += sample(
            model,
            tokenizer,
            [one.token_ids for one in part],
            [sample_seed(seed, one.id, 0) for one in part],
            temperature=temperature,
            top_p=1.0,
            max_new_tokens=max_new_tokens,
        )
    return found


class Probe:
    """The probe prompts with their reference completions, and the evaluations made on them.

    Of several processes each lets the models write on its share of the prompts; the first has it judged and writes it.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        tokenizer: Any,
        judge: Judge,
        gold: Judge | None,
        peers: Peers,
        *,
        seed: int,
        temperature: float,
        max_new_tokens: int,
    ) -> None:
        self.prompts = list(prompts)
        self._tokenizer = tokenizer
        self._judge, self._gold = judge, gold
        self._peers = peers
        self._sampling: dict[str, Any] = {"seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
        self._reference_sampled: list[Sampled] = []
        self._reference: Written | None = None

    def evaluate(
        self,
        policy: Any,
        reference: Callable[[], AbstractContextManager[Any]],
        directory: Path,
        *,
        step: int,
        beta: float,
        human_kl: float | None = None,
        save: Callable[[Path], None] | None = None,
    ) -> dict[str, Any]:
        """Let the policy write, measure it and write DIRECTORY whole: evaluation.json, samples.jsonl and, with `save`,
        model/. `reference` gives the reference model, which may be the policy with its adapters off.

        Neither training's random state nor the policy's mode are changed by it. All processes have to come here; each
        gets the values.
        """
        was_training = policy.training
        policy.eval()
        try:
            if not self._reference_sampled:
                with reference() as model:
                    self._reference_sampled = self._sampled(model)
            sampled = self._sampled(policy) if step else self._reference_sampled
            with torch.no_grad():
                moved = self._moved(policy, reference, sampled)
        finally:
            policy.train(was_training)
        numbers = {"step": step, "n_prompts": len(self.prompts), "beta": beta, "human_kl": human_kl}

        def finish() -> dict[str, Any]:
            if self._reference is None:
                self._reference = self._judged(self._reference_sampled)
            theirs = self._reference
            mine = self._judged(sampled) if step else theirs
            values = {**numbers, **_distance(moved, sampled), **self._worth(mine, theirs), **self._style(mine, theirs)}
            with atomic_directory(directory) as draft:
                write_json(draft / "evaluation.json", values)
                write_rows(draft / "samples.jsonl", self._samples(mine, theirs, moved["kl"]))
                if save is not None:
                    save(draft / "model")
            return values

        return self._peers.first(finish)

    def _sampled(self, model: Any) -> list[Sampled]:
        mine = self._peers.share(self.prompts)
        return self._peers.gather(write_completions(model, self._tokenizer, mine, **self._sampling))

    def _judged(self, sampled: list[Sampled]) -> Written:
        messages = [one.messages for one in self.prompts]
        texts = [one.text for one in sampled]
        gold = None if self._gold is None else self._gold.judge(messages, texts).rewards
        return Written(sampled, self._judge.judge(messages, texts, distances=True), gold)

    def _moved(
        self, policy: Any, reference: Callable[[], AbstractContextManager[Any]], sampled: Sequence[Sampled]
    ) -> dict[str, Array]:
        """Sums over each completion's tokens of exact KL, k1, k3 and entropy: {name: (n)}."""
        prompts, sampled = self._peers.share(self.prompts), self._peers.share(sampled)
        names = ("kl", "kl_k1", "kl_k3", "entropy")
        sums: list[tuple[float, ...]] = []
        vocabulary = int(policy.config.get_text_config().vocab_size)
        most = max((len(one.token_ids) for one in sampled), default=1)
        together = max(1, MOST_LOGITS // (vocabulary * most))
        for start in range(0, len(sampled), together):
            part = slice(start, start + together)
            batch = _Batch(prompts[part], sampled[part], policy, self._tokenizer.pad_token_id or 0)
            with reference() as model:
                theirs = batch.logits(model)
            mine = batch.logits(policy)
            log_p, log_q = batch.of_tokens(mine), batch.of_tokens(theirs)
            values = (exact_kl(mine, theirs), k1(log_p, log_q), k3(log_p, log_q), entropy(mine))
            sums += zip(*((one * batch.is_token).sum(dim=1).tolist() for one in values), strict=True)
        return dict(zip(names, np.asarray(self._peers.gather(sums)).T, strict=True))

    def _worth(self, mine: Written, theirs: Written) -> dict[str, Any]:
        """Proxy reward and gold, each beside the reference's on the same prompts."""
        limit = self._judge.mean + BEYOND * self._judge.std
        return {
            **_mean("reward", mine.judged.rewards),
            "reference_reward": float(theirs.judged.rewards.mean()),
            **_mean("reward_gain", mine.judged.rewards - theirs.judged.rewards),
            "calibrated_gain": _gain(mine.judged.calibrated, theirs.judged.calibrated),
            "uncertainty": _mean_or_none(mine.judged.uncertainty),
            "reference_uncertainty": _mean_or_none(theirs.judged.uncertainty),
            "beyond_range": float((mine.judged.rewards > limit).mean()),
            "reference_beyond_range": float((theirs.judged.rewards > limit).mean()),
            "outlying": _share_outlying(mine.judged.distances),
            "reference_outlying": _share_outlying(theirs.judged.distances),
            "gold": _mean_or_none(mine.gold),
            **(
                {"gold_gain": None, "gold_gain_se": None}
                if mine.gold is None or theirs.gold is None
                else _mean("gold_gain", mine.gold - theirs.gold)
            ),
        }

    def _style(self, mine: Written, theirs: Written) -> dict[str, Any]:
        """Lengths, repetition and variety, and how much of the reward gain what one can count explains."""
        found: dict[str, Any] = {}
        for prefix, written in (("", mine), ("reference_", theirs)):
            found[prefix + "length"] = float(np.mean([one.n_tokens for one in written.sampled]))
            found[prefix + "cut_off"] = float(np.mean([one.finish_reason == "length" for one in written.sampled]))
            found[prefix + "repetition"] = float(repetitions(written.texts).mean())
            found[prefix + "distinct_1"] = distinct_n(written.texts, 1)
            found[prefix + "distinct_2"] = distinct_n(written.texts, 2)
        exploits = report(
            mine.texts,
            theirs.texts,
            mine.judged.rewards,
            theirs.judged.rewards,
            mine.judged.calibrated,
            theirs.judged.calibrated,
        )
        return {**found, "exploits": exploits.to_dict()}

    def _samples(self, mine: Written, theirs: Written, kl: Array) -> list[dict[str, Any]]:
        columns: dict[str, Array | None] = {}
        for prefix, written in (("", mine), ("reference_", theirs)):
            columns[prefix + "reward"] = written.judged.rewards
            columns[prefix + "uncertainty"] = written.judged.uncertainty
            columns[prefix + "calibrated"] = written.judged.calibrated
            columns[prefix + "distance"] = written.judged.distances
            columns[prefix + "gold"] = written.gold
        return [
            {
                "prompt_id": prompt.id,
                "messages": prompt.messages,
                "completion": mine.sampled[row].text,
                "reference": theirs.sampled[row].text,
                **{name: None if values is None else float(values[row]) for name, values in columns.items()},
                "kl": float(kl[row]),
                "n_tokens": mine.sampled[row].n_tokens,
                "reference_n_tokens": theirs.sampled[row].n_tokens,
            }
            for row, prompt in enumerate(self.prompts)
        ]


class _Batch:
    """Prompts and completions side by side, padded on the right: token i of the completion is predicted at i."""

    def __init__(self, prompts: Sequence[Prompt], sampled: Sequence[Sampled], model: Any, pad: int) -> None:
        device = model.get_input_embeddings().weight.device
        rows = [one.token_ids + its.token_ids for one, its in zip(prompts, sampled, strict=True)]
        width, longest = max(map(len, rows)), max(len(its.token_ids) for its in sampled)
        ids = torch.full((len(rows), width), pad, dtype=torch.int64)
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        places = torch.zeros((len(rows), longest), dtype=torch.int64)
        tokens = torch.zeros((len(rows), longest), dtype=torch.int64)
        is_token = torch.zeros((len(rows), longest))
        for row, (all_ids, one, its) in enumerate(zip(rows, prompts, sampled, strict=True)):
            n = len(its.token_ids)
            ids[row, : len(all_ids)] = torch.as_tensor(all_ids)
            mask[row, : len(all_ids)] = 1
            places[row, :n] = torch.arange(len(one.token_ids) - 1, len(one.token_ids) - 1 + n)
            tokens[row, :n] = torch.as_tensor(its.token_ids)
            is_token[row, :n] = 1
        self._ids, self._mask, self._places, self._tokens = (part.to(device) for part in (ids, mask, places, tokens))
        self.is_token = is_token.to(device)

    def logits(self, model: Any) -> torch.Tensor:
        """(n, longest completion, v), float32."""
        found = model(input_ids=self._ids, attention_mask=self._mask, use_cache=False).logits
        index = self._places[:, :, None].expand(-1, -1, found.shape[-1])
        return found.gather(1, index).float()

    def of_tokens(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the completions' own tokens (n, longest)."""
        return torch.log_softmax(logits, dim=-1).gather(2, self._tokens[:, :, None]).squeeze(2)


@contextlib.contextmanager
def without_adapters(model: Any) -> Any:
    """The base model of a policy with LoRA adapters: its reference."""
    with model.disable_adapter():
        yield model


def _distance(moved: dict[str, Array], sampled: Sequence[Sampled]) -> dict[str, float]:
    n_tokens = sum(len(one.token_ids) for one in sampled)
    kl = float(moved["kl"].mean())
    return {
        **_mean("kl", moved["kl"]),
        "kl_k1": float(moved["kl_k1"].mean()),
        "kl_k3": float(moved["kl_k3"].mean()),
        "kl_per_token": float(moved["kl"].sum() / n_tokens),
        "d": kl**0.5,
        "entropy": float(moved["entropy"].sum() / n_tokens),
    }


def _mean(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """Mean and its standard error."""
    se = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return {name: float(values.mean()), f"{name}_se": se}


def _mean_or_none(values: Array | None) -> float | None:
    return None if values is None else float(values.mean())


def _share_outlying(distances: Array | None) -> float | None:
    return None if distances is None else float((distances > OUTLYING).mean())


def _gain(mine: Array | None, theirs: Array | None) -> float | None:
    return None if mine is None or theirs is None else float((mine - theirs).mean())
