"""`manage.py demo loop`: from an SFT model to a policy that has been over-optimised, a refresh, and a better policy.

Everything is real but the people: the engine's own commands train the models, a scorer of its own serves the reward
models, TRL optimises the policies, and the simulated labellers of the demo rate completions that the models wrote. The
simulator's truth is gold. It touches no database; what it makes lies in one directory, and a loop that was cut short
goes on there.
"""

import contextlib
import hashlib
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import fsspec
import pyarrow as pa
from django.conf import settings

from training.demo import simulator
from training.demo.gold import NAME as TRUTH
from training.demo.gold import serving_truth
from training.demo.plots import COLOURS, Line, axis, panel, svg
from training.demo.writing import SourceKind
from training.engine.common.atomic import write_json, write_rows
from training.engine.policy.overoptimisation import fit_gao, predict
from training.engine.policy.stopping import Decision, Point, decide
from training.engine.scoring.client import ScorerClient, ScorerError
from training.exports.aggregation import split_of
from training.exports.shards import SCHEMA, ShardWriter, digest_of

# The most careful of the demo's labellers; one of them rates each comparison.
LABELLERS = sorted(simulator.LABELLERS, key=lambda one: one.carelessness + one.temperature)[:3]
AXIS = "helpfulness"
STARTED_IN_S = 120.0

Tell = Callable[[str], None]
Pair = tuple[list[dict[str, str]], str, str]
"""The messages of a prompt and two completions."""


class LoopFailed(Exception):
    """A part of the loop has ended with an error, in its own words."""


@dataclass(frozen=True)
class LoopOptions:
    """How much of everything. The defaults are what the documentation shows; tests take less."""

    corpus: int = 5000
    demonstrations: int = 2000
    corpus_tokens: int = 900_000
    hidden_size: int = 160
    n_layers: int = 3
    # Comparisons of the first reward model: half of them of the SFT model's completions, half of the world's writers.
    labels: int = 6000
    # Prompts of the refresh; each gives a comparison of two completions of the policy, and one of it and the SFT model.
    fresh: int = 800
    prompts: int = 1500
    probe: int = 256
    steps: int = 40
    evaluate_every: int = 4
    beta: float = 0.01
    learning_rate: float = 3e-4
    prompts_per_step: int = 16
    max_new_tokens: int = 64
    n_members: int = 4
    seed: int = 0


@dataclass(frozen=True)
class PolicyCourse:
    """A policy run as it went: its evaluations, the first one the reference's, and the gold of each completion of the
    last one, in the order of the probe's prompts."""

    name: str
    evaluations: list[dict[str, Any]]
    last_gold: list[float] = field(default_factory=list)

    @property
    def kept(self) -> dict[str, Any]:
        """What the stop rule keeps, once the whole run is known."""
        return next(one for one in self.evaluations if one["step"] == self.decided.best_step)

    @property
    def decided(self) -> Decision:
        return decide([Point.of(one) for one in self.evaluations])

    @property
    def stopped(self) -> tuple[int, Decision] | None:
        """The step after which the rule would have ended it, and why; None if it would not."""
        for n in range(1, len(self.evaluations) + 1):
            found = decide([Point.of(one) for one in self.evaluations[:n]])
            if found.stop:
                return int(self.evaluations[n - 1]["step"]), found
        return None

    @property
    def kept_in_time(self) -> dict[str, Any]:
        """What the rule keeps where it ends the run when it would."""
        decision = self.stopped[1] if self.stopped else self.decided
        return next(one for one in self.evaluations if one["step"] == decision.best_step)

    @property
    def regret(self) -> float:
        """What the evaluation lacks in gold that the rule would have kept, against the best one."""
        return float(max(one["gold_gain"] for one in self.evaluations) - self.kept_in_time["gold_gain"])


def run_loop(directory: Path, options: LoopOptions, tell: Tell) -> list[PolicyCourse]:
    """Run the loop in `directory`, or go on with it there; writes table.md, over-optimisation-rl.svg and loop.json.

    Raises LoopFailed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    loop = Loop(directory, options, tell)
    sft = loop.sft_model()
    first = loop.reward_model("first", sft, loop.first_comparisons(sft))
    before = loop.policy("first", sft, first)
    fresh = loop.fresh_comparisons(sft, before)
    second = loop.reward_model("second", sft, [*loop.first_comparisons(sft), *fresh])
    after = loop.policy("second", sft, second)
    courses = [before, after]
    (directory / "table.md").write_text(table(courses), encoding="utf-8")
    (directory / "over-optimisation-rl.svg").write_text(plot(courses), encoding="utf-8")
    write_json(directory / "loop.json", {"options": asdict(options), "courses": [asdict(one) for one in courses]})
    return courses


class Loop:
    """The parts, each of which does nothing where its result is there."""

    def __init__(self, directory: Path, options: LoopOptions, tell: Tell) -> None:
        self.directory, self.options, self.tell = directory, options, tell

    def sft_model(self) -> str:
        options = self.options
        corpus, demonstrations = self.directory / "corpus.jsonl", self.directory / "demonstrations.jsonl"
        if not demonstrations.exists():
            write_rows(
                corpus,
                (
                    {"messages": [*one.messages, {"role": "assistant", "content": one.completion}]}
                    for one in simulator.corpus(options.corpus, options.seed)
                ),
            )
            write_rows(
                demonstrations,
                (
                    {"messages": list(one.messages), "completion": one.completion}
                    for one in simulator.sft_examples(options.demonstrations, options.seed)
                ),
            )
        size = {
            "vocab_size": 1500,
            "hidden_size": options.hidden_size,
            "intermediate_size": round(options.hidden_size * 2.8 / 32) * 32,
            "n_layers": options.n_layers,
            "max_tokens": options.corpus_tokens,
        }
        base = self._engine("lm", "train-base", "base", {"corpus": str(corpus), **size}, "base model")
        asked = {"base_model": base["model"], "data": str(demonstrations)}
        return str(self._engine("lm", "sft", "sft", asked, "SFT model")["model"])

    def first_comparisons(self, sft: str) -> list[dict[str, Any]]:
        """What the first reward model learns from: nothing that a trained policy has written."""
        n = self.options.labels // 2
        written = list(simulator.prompts(n, f"loop-writers:{self.options.seed}"))
        rng = random.Random(f"loop:{self.options.seed}")  # noqa: S311 - reproducible
        kinds: list[SourceKind] = ["sft", "early_policy", "current_policy", "adversarial"]

        def write(prompt: simulator.DemoPrompt) -> str:
            return simulator.write(prompt, rng.choices(kinds, (45, 35, 15, 5))[0], rng)

        pairs: list[Pair] = [(prompt.messages, write(prompt), write(prompt)) for prompt in written]
        asked = list(simulator.prompts(n, f"loop-sft:{self.options.seed}"))
        sampled = self._completions("labelled", sft, asked, 2)
        pairs += [(prompt.messages, sampled[prompt.key][0], sampled[prompt.key][1]) for prompt in asked]
        return self._rated(pairs, "first")

    def fresh_comparisons(self, sft: str, before: PolicyCourse) -> list[dict[str, Any]]:
        """A refresh: what the policy writes now, against itself and against what it started from."""
        asked = list(simulator.prompts(self.options.fresh, f"loop-fresh:{self.options.seed}"))
        last = self.directory / "policy-first" / "evaluations" / f"{before.evaluations[-1]['step']:05d}" / "model"
        policy = self._completions("fresh-policy", str(last), asked, 2)
        reference = self._completions("fresh-sft", sft, asked, 1)
        pairs: list[Pair] = [(prompt.messages, policy[prompt.key][0], policy[prompt.key][1]) for prompt in asked]
        pairs += [(prompt.messages, policy[prompt.key][0], reference[prompt.key][0]) for prompt in asked]
        return self._rated(pairs, "fresh")

    def reward_model(self, name: str, sft: str, rows: Sequence[dict[str, Any]]) -> str:
        directory = self.directory / f"comparisons-{name}"
        if not (directory / "manifest.json").exists():
            _write_set(directory, rows)
        config = {"base_model": sft, "comparison_set": str(directory), "max_length": 320, "epochs": 2}
        config |= {"n_heads": self.options.n_members, "axis": AXIS, "seed": self.options.seed}
        result = self._engine("reward", "train", f"reward-{name}", config, f"{name} reward model")
        accuracy = result["accuracy"]["value"]
        self.tell(f"  {len(rows):,} comparisons; right on {accuracy:.0%} of those it was not trained on")
        return str(result["model"])

    def policy(self, name: str, sft: str, reward_model: str, changes: dict[str, Any] | None = None) -> PolicyCourse:
        """A policy run from the SFT model. changes: fields of the engine's OptimiseConfig that are to be otherwise."""
        options = self.options
        directory = self.directory / f"policy-{name}"
        paths = {}
        for part, n in (("prompts", options.prompts), ("probe", options.probe)):
            paths[part] = self.directory / f"{part}.jsonl"
            if not paths[part].exists():
                drawn = simulator.prompts(n, f"loop-{part}:{options.seed}")
                write_rows(paths[part], ({"id": one.key, "messages": list(one.messages)} for one in drawn))
        config = {
            "policy": sft,
            "prompts": str(paths["prompts"]),
            "probe": str(paths["probe"]),
            "reward_model": AXIS,
            "gold_model": TRUTH,
            "beta": options.beta,
            "learning_rate": options.learning_rate,
            "n_steps": options.steps,
            "prompts_per_step": options.prompts_per_step,
            "max_new_tokens": options.max_new_tokens,
            "evaluate_every": options.evaluate_every,
            "early_stop": False,  # the whole curve is to be seen
            "seed": options.seed,
            **(changes or {}),
        }
        if not (directory / "result.json").exists():
            with _serving(self.directory / f"scorer-{name}", reward_model) as url, serving_truth() as gold:
                # Where they are served is another port each time, and part of a run's config.
                known = directory / "config.json"
                if known.exists():
                    write_json(known, {**json.loads(known.read_text()), "scorer_url": url, "gold_url": gold})
                asked = {**config, "scorer_url": url, "gold_url": gold}
                self._engine("policy", "optimise", directory.name, asked, f"{name} policy")
        found = sorted((directory / "evaluations").glob("[0-9]*/evaluation.json"))
        with open(found[-1].with_name("samples.jsonl"), encoding="utf-8") as file:
            last_gold = [float(json.loads(line)["gold"]) for line in file]
        return PolicyCourse(name, [json.loads(path.read_text(encoding="utf-8")) for path in found], last_gold)

    # --- tools --------------------------------------------------------------------------------------------------------
    def _engine(self, part: str, verb: str, name: str, config: dict[str, Any], what: str) -> dict[str, Any]:
        """Run a command of the engine in a directory of its own; its result."""
        out = self.directory / name
        if (out / "result.json").exists():
            self.tell(f"{what}: there already")
            found: dict[str, Any] = json.loads((out / "result.json").read_text(encoding="utf-8"))
            return found
        started = time.monotonic()
        path = self.directory / f"{name}.json"
        write_json(path, {"n_threads": settings.ENGINE_THREADS, **config, "out_dir": str(out)})
        command = [sys.executable, "-m", f"training.engine.{part}", verb, "--config", str(path)]
        with open(self.directory / f"{name}.log", "a", encoding="utf-8") as log:
            child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=settings.BASE_DIR, errors="replace"
            )
            result: dict[str, Any] = {}
            try:
                for line in child.stdout or ():
                    with contextlib.suppress(json.JSONDecodeError):
                        result = json.loads(line)
                    if result.get("event") == "progress" and result["total"]:
                        self.tell(
                            f"\r{what}: {result['done']:,} of {result['total']:,} {result['unit']}, {result['message']}"
                        )
            finally:
                child.terminate()
                child.wait()
        if result.get("event") != "result":
            raise LoopFailed(f"{what}: {result.get('message', 'it ended without a word')} (see {name}.log)")
        self.tell(f"{what}: {time.monotonic() - started:.0f} s")
        return result

    def _completions(
        self, name: str, model: str, prompts: Sequence[simulator.DemoPrompt], n: int
    ) -> dict[str, list[str]]:
        asked = self.directory / f"{name}-prompts.jsonl"
        if not asked.exists():
            write_rows(asked, ({"id": one.key, "messages": list(one.messages)} for one in prompts))
        config = {
            "model": model,
            "prompts": str(asked),
            "n_per_prompt": n,
            "temperature": 1.0,
            "top_p": 1.0,
            "max_new_tokens": self.options.max_new_tokens,
            "seed": self.options.seed,
        }
        result = self._engine("lm", "generate", name, config, f"completions ({name})")
        found: dict[str, list[str]] = {}
        with open(result["completions"], encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                found.setdefault(row["id"], []).append(row["completion"])
        return found

    def _rated(self, pairs: Sequence[Pair], name: str) -> list[dict[str, Any]]:
        """Rows of a comparison set: one rating by one of the labellers each, ties left out."""
        rng = random.Random(f"ratings:{name}:{self.options.seed}")  # noqa: S311 - reproducible
        rows: list[dict[str, Any]] = []
        for messages, first, second in pairs:
            if not first or not second or first == second:
                continue
            said = simulator.rate(rng.choice(LABELLERS), messages, first, second, rng)
            if said.preferred in ("first", "second"):
                chosen, rejected = (first, second) if said.preferred == "first" else (second, first)
                rows.append(_row(messages, chosen, rejected, said.intensity, len(rows)))
        return rows


def _row(messages: Any, chosen: str, rejected: str, intensity: int | None, number: int) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(list(messages)).encode()).hexdigest()
    return {
        **{field.name: [] if pa.types.is_list(field.type) else None for field in SCHEMA},
        "prompt": list(messages),
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "margin": 0.0,
        "weight": 1.0,
        "soft_preference": 1.0,
        "intensity": None if intensity is None else float(intensity),
        "agreement": 1.0,
        "n_ratings": 1,
        "axis": AXIS,
        "chosen_chars": len(chosen),
        "rejected_chars": len(rejected),
        "comparison_id": number,
        "prompt_digest": digest,
        "split": split_of(digest),
        "is_hard": False,
    }


def _write_set(directory: Path, rows: Sequence[dict[str, Any]]) -> None:
    with ShardWriter(fsspec.filesystem("file"), str(directory)) as writer:
        for row in rows:
            writer.add(row)
    counts: dict[str, int] = {}
    for shard in writer.shards:
        counts[shard["split"]] = counts.get(shard["split"], 0) + shard["rows"]
    manifest: dict[str, Any] = {
        "format": "touchstone.comparison_set/1",
        "project": "demo-loop",
        "axis": AXIS,
        "spec": {},
    }
    manifest |= {"counts": counts, "shards": writer.shards, "code_version": "", "digest": digest_of(writer.shards)}
    write_json(directory / "manifest.json", manifest)


@contextlib.contextmanager
def _serving(directory: Path, reward_model: str) -> Iterator[str]:
    """The URL of a scorer that serves the reward model, until the block ends. Raises LoopFailed."""
    directory.mkdir(exist_ok=True)
    entry = {"name": AXIS, "version": 1, "path": reward_model, "state": "promoted"}
    write_json(directory / "registry.json", {"models": [entry]})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "training.engine.scoring", "serve", "--registry", str(directory / "registry.json")]
    with open(directory / "scorer.log", "a", encoding="utf-8") as log:
        child = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, cwd=settings.BASE_DIR)
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + STARTED_IN_S
            with ScorerClient(url, settings.SCORER_TOKEN, n_retries=0) as client:
                while not _answers(client):
                    if child.poll() is not None or time.monotonic() > deadline:
                        raise LoopFailed(f"the scorer did not start: see {directory / 'scorer.log'}")
                    time.sleep(0.2)
            yield url
        finally:
            child.terminate()
            child.wait()


def _answers(client: ScorerClient) -> bool:
    try:
        return bool(client.models())
    except ScorerError:
        return False


# --- what came out ----------------------------------------------------------------------------------------------------
def table(courses: Sequence[PolicyCourse]) -> str:
    """Markdown: a row for each policy that tells something, gold and proxy as gains over the SFT model."""
    lines = [
        "| policy | step | KL, nats | proxy's gain | gold's gain | length, tokens | uncertainty |",
        "|---|---|---|---|---|---|---|",
    ]
    for course in courses:
        shown = {course.evaluations[0]["step"]: "SFT model"} if course is courses[0] else {}
        best = max(course.evaluations, key=lambda one: one["gold_gain"])
        if best["step"]:
            shown[best["step"]] = f"{course.name} reward model: gold highest"
        shown[course.evaluations[-1]["step"]] = f"{course.name} reward model: trained on"
        for one in course.evaluations:
            if one["step"] in shown:
                cells = [
                    shown[one["step"]],
                    str(one["step"]),
                    f"{one['kl']:.1f}",
                    f"{one['reward_gain']:+.2f}",
                    f"{one['gold_gain']:+.2f} ± {1.96 * one['gold_gain_se']:.2f}",
                    f"{one['length']:.0f}",
                    "" if one["uncertainty"] is None else f"{one['uncertainty']:.3f}",
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def gained(before: PolicyCourse, after: PolicyCourse) -> tuple[float, float]:
    """What the policy trained to its end after the refresh has in gold over the one before: the mean over the probe's
    prompts, and half its 95 % interval."""
    differences = [two - one for one, two in zip(before.last_gold, after.last_gold, strict=True)]
    return fmean(differences), 1.96 * stdev(differences) / len(differences) ** 0.5


def plot(courses: Sequence[PolicyCourse]) -> str:
    """Proxy and gold over d, a panel for each run, drawn to one scale."""
    along = axis("d", max(one["d"] for course in courses for one in course.evaluations))
    drawn = [lines_of(course) for course in courses]
    everywhere = [line for lines in drawn for line in lines]
    panels = []
    for number, (course, lines) in enumerate(zip(courses, drawn, strict=True)):
        marks = [(float(course.kept["d"]), f"kept: step {course.kept['step']}")]
        unit = "gain over the SFT model"
        title = f"Against the {course.name} reward model"
        panels.append(panel(title, along, lines, left=440 * number, unit=unit, marks=marks, beside=everywhere))
    return svg(panels, 3, "Proxy and gold over d, the square root of KL, of a policy before and after a refresh")


def lines_of(course: PolicyCourse) -> list[Line]:
    """Gold with its interval, the proxy, and where it can be fitted Gao's curve through gold."""
    rows = sorted(course.evaluations, key=lambda one: float(one["d"]))
    d, gold = [one["d"] for one in rows], [one["gold_gain"] for one in rows]
    lines = [
        Line("gold, ± 95 %", d, gold, COLOURS[0], [1.96 * one["gold_gain_se"] for one in rows], dots=True),
        Line("proxy", d, [one["reward_gain"] for one in rows], COLOURS[1], dots=True),
    ]
    # The form does not hold near 0, and the reference's own point has no error.
    fit = fit_gao("rl", d[1:], gold[1:], [one["gold_gain_se"] for one in rows[1:]])
    if fit is not None:
        lines.append(Line("d (α − β ln d), fitted", d[1:], predict(fit, d[1:]), COLOURS[2], dashed=True))
    return lines
