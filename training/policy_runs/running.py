"""The job of a policy run: what it writes for the engine, and what it takes from it on the way and at the end."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import MD5, Concat
from django.utils import timezone

from annotate.jobs.context import JobContext, JobFailed
from annotate.pool.models import Prompt
from training import artifacts
from training.engine.common.atomic import write_json, write_rows
from training.engine.common.launch import launch_command, n_processes_for, n_visible_gpus
from training.engine.scoring.client import ScorerClient, ScorerRefused, ScorerUnavailable
from training.policy.services import BaseModel, BaseSettings
from training.policy_runs import judging
from training.policy_runs.keeping import checkpoint_of, keep_files, same_files, worth_keeping
from training.policy_runs.models import PolicyEvaluation, PolicyRun, PolicySample
from training.policy_runs.options import PolicyRunOptions
from training.policy_runs.people import ask_people
from training.policy_runs.selectors import MAX_PROMPTS, probe_prompts, training_prompts
from training.policy_runs.starts import find_start, resolve_start
from training.reward import registry
from training.reward.models import RewardModel

# Of each update, as the charts read it.
COLUMNS = (
    *("step", "reward", "raw_reward", "reward_std", "kl", "beta", "entropy", "length", "cut_off", "loss"),
    *("learning_rate", "seconds"),
)
MAX_POINTS = 400
STEPS_EVERY_S = 2.0
PEOPLE_EVERY_S = 5.0
# A scorer looks at its list every second or two and loads a model of ours in a few.
SERVED_S = 120.0
SERVED_POLL_S = 0.5
_NUMBERS = (
    *("reward", "reference_reward", "uncertainty", "reference_uncertainty", "calibrated", "reference_calibrated"),
    *("gold", "reference_gold", "kl", "n_tokens", "reference_n_tokens"),
)


def run_policy(*, run: PolicyRun, context: JobContext, base: BaseSettings | None = None) -> PolicyRun:
    """Optimise the policy and keep the best. A finished run is left as it is.

    Prompts are written once; the engine goes on from its checkpoint; evaluations are stored as they come, each in a
    transaction of its own. Between two events people's verdicts are looked at. Raises JobFailed.
    """
    run.refresh_from_db()
    if run.finished_at is not None:
        return run
    registry.sync()  # a retried job holds its models again
    options = PolicyRunOptions.parse(run.options)
    if options.combine_with and run.combined_model is None:
        raise JobFailed(
            "combined_model_gone",
            f"The model of {options.combine_with!r} that this run combines with its own is gone: start another run.",
        )
    directory = artifacts.run_directory(context.job.pk, f"policy-run-{run.number}")
    start = _start(run, options, context, base)
    n_probe = _write_prompts(run, options, directory)
    _wait_until_served(run, options, context)
    config = _config(run, options, start, directory)
    write_json(directory / "optimise.json", config)
    follower = _Follower(run, directory / "out", context)
    follower.take_evaluations()
    n_processes = _n_processes(options)
    among = f", by {n_processes} processes" if n_processes > 1 else ""
    context.log(f"{start.name} against {config['reward_model']}, {n_probe} prompts of their own to evaluate on{among}.")
    arguments = ["optimise", "--config", str(directory / "optimise.json")]
    result = context.run_process(
        launch_command("training.engine.policy", arguments, n_processes),
        what="Optimising the policy",
        env={"SCORER_TOKEN": settings.SCORER_TOKEN},
        on_event=follower.on_event,
    )
    follower.take_evaluations()
    follower.take_steps()
    return _finish(run, result, follower, context)


# --- before ----------------------------------------------------------------------------------------------------------
def _start(run: PolicyRun, options: PolicyRunOptions, context: JobContext, base: BaseSettings | None) -> BaseModel:
    """Where the model to start from lies. The built-in one is written down as it is now: a pool that grows meanwhile
    would make another."""
    name = options.start if run.start_checkpoint_id is None else f"checkpoint:{run.start_checkpoint_id}"
    try:
        start = find_start(run.project, name)
    except ValidationError as error:  # there when it was asked for
        raise JobFailed("start_gone", " ".join(error.messages)) from error
    found = resolve_start(run.project, start, context, base)
    if run.start_checkpoint_id is None and found.checkpoint is not None:
        run.start_checkpoint = found.checkpoint
        PolicyRun.objects.filter(pk=run.pk).update(start_checkpoint=found.checkpoint)
    return found


def _write_prompts(run: PolicyRun, options: PolicyRunOptions, directory: Path) -> int:
    """prompts.jsonl and probe.jsonl, both drawn by digest and seed; returns how many are in the latter."""
    paths = (directory / "prompts.jsonl", directory / "probe.jsonl")
    if not all(path.exists() for path in paths):
        wanted = (
            (paths[0], training_prompts(run.project), min(MAX_PROMPTS, options.n_drawn)),
            (paths[1], probe_prompts(run.project), options.n_probe),
        )
        for path, rows, n in wanted:
            write_rows(path, _rows(rows, n, options.seed))
    with open(paths[1], encoding="utf-8") as file:
        n_probe = sum(1 for _ in file)
    if not n_probe or not paths[0].stat().st_size:
        raise JobFailed("no_prompts", "The pool has no prompts any more to train on or to evaluate on: import some.")
    return n_probe


def _rows(prompts: QuerySet[Prompt], n: int, seed: int) -> Iterator[dict[str, Any]]:
    lot = MD5(Concat(F("digest"), Value(f"/{seed}"), output_field=TextField()))
    rows = prompts.annotate(lot=lot).order_by("lot", "pk").values_list("pk", "messages")[:n]
    for pk, messages in rows.iterator(chunk_size=500):
        yield {"id": str(pk), "messages": [{"role": m["role"], "content": m["content"]} for m in messages]}


def _config(run: PolicyRun, options: PolicyRunOptions, start: BaseModel, directory: Path) -> dict[str, Any]:
    """What the engine is asked for; what is not named here has its default there."""
    same = (
        *("algorithm", "beta", "kl_target", "shaping", "ensemble", "reward", "n_steps", "prompts_per_step"),
        *("completions_per_prompt", "max_new_tokens", "temperature", "learning_rate", "lora_rank", "evaluate_every"),
        *("kl_limit", "n_iterations", "clip", "kl_horizon", "uncertainty_weight", "max_prompt_tokens", "early_stop"),
        "seed",
    )
    return {
        "policy": start.path,
        "prompts": str(directory / "prompts.jsonl"),
        "probe": str(directory / "probe.jsonl"),
        "out_dir": str(directory / "out"),
        "scorer_url": settings.SCORER_URL,
        "reward_model": "+".join(_served_as(model) for model in _optimised(run)),
        "gold_url": settings.SCORER_URL if run.gold_model else "",
        "gold_model": _served_as(run.gold_model) if run.gold_model else "",
        "human_kls": list(options.human_kls) if options.n_human else [],
        "n_threads": settings.ENGINE_THREADS,
        "stop_rule": options.stop_rule.to_dict(),
        **{name: getattr(options, name) for name in same},
    }


def _n_processes(options: PolicyRunOptions) -> int:
    """How many processes train: one for each GPU, or as many as the operator says, as far as they share a batch evenly.
    A run that is retried may have another number of them."""
    wanted = settings.POLICY_PROCESSES or n_visible_gpus()
    return n_processes_for(options.prompts_per_step * options.completions_per_prompt, wanted)


def _optimised(run: PolicyRun) -> list[RewardModel]:
    """The models whose reward, combined where they are two, the policy is trained on."""
    return [model for model in (run.reward_model, run.combined_model) if model is not None]


def _served_as(model: RewardModel) -> str:
    """One version, whatever is promoted meanwhile."""
    return f"{model.project.slug}@{model.version}"


def _wait_until_served(run: PolicyRun, options: PolicyRunOptions, context: JobContext) -> None:
    """Raises JobFailed "version_not_served" for a model that the scorer does not load, "scorer_unavailable",
    "scorer_refused", and "no_calibration" where a calibrated reward is asked of a model that has none."""
    wanted = {_served_as(model) for model in (*_optimised(run), run.gold_model) if model is not None}
    until = time.monotonic() + SERVED_S
    told = ""
    while True:
        try:
            with ScorerClient(settings.SCORER_URL, settings.SCORER_TOKEN, timeout_s=10.0, n_retries=0) as scorer:
                served = {f"{one['name']}@{one['version']}": one for one in scorer.models()}
            if wanted <= set(served):
                break
            missing = ", ".join(sorted(wanted - set(served)))
            code, told = "version_not_served", f"The scorer does not serve {missing}; its /readyz says why."
        except ScorerRefused as error:
            raise JobFailed("scorer_refused", error.message) from error
        except ScorerUnavailable as error:
            code, told = "scorer_unavailable", error.message
        if time.monotonic() > until:
            raise JobFailed(code, f"{told} Retry when that is mended.")
        context.progress(message=f"waits for the scorer: {told}")
        time.sleep(SERVED_POLL_S)
    if options.reward == "calibrated" and not served[_served_as(run.reward_model)].get("has_calibration"):
        raise JobFailed(
            "no_calibration",
            f"v{run.reward_model.version} has no calibration for length: start a run on its rewards as they are.",
        )


# --- on the way ------------------------------------------------------------------------------------------------------
class _Follower:
    """Takes what the engine leaves behind, and lets people's verdicts end the run."""

    def __init__(self, run: PolicyRun, out: Path, context: JobContext) -> None:
        self._run, self._out, self._context = run, out, context
        self._options = PolicyRunOptions.parse(run.options)
        self._steps_at = self._people_at = 0.0

    def on_event(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if event["event"] == "evaluation":
            self._take(Path(event["path"]))
            self.take_steps()
            self._people_at = 0.0
        if now - self._steps_at >= STEPS_EVERY_S:
            self.take_steps()
        if now - self._people_at >= PEOPLE_EVERY_S:
            self._people_at = now
            self._heed_people()

    def take_evaluations(self) -> None:
        """Store those that are whole and that no event told of: of a worker that was stopped in between."""
        known = set(self._run.evaluations.values_list("step", flat=True))
        for directory in sorted((self._out / "evaluations").glob("[0-9]*")):
            if int(directory.name) not in known:
                self._take(directory)

    def _take(self, directory: Path) -> None:
        metrics = _read_json(directory / "evaluation.json")
        with open(directory / "samples.jsonl", encoding="utf-8") as file:
            rows = [json.loads(line, parse_constant=_no_number) for line in file]
        evaluation = store_evaluation(run=self._run, metrics=metrics, rows=rows)
        self._put_aside(evaluation)
        if evaluation.human_kl is not None and self._options.n_human and not evaluation.n_comparisons:
            n = ask_people(evaluation=evaluation, n=self._options.n_human)
            self._context.log(f"KL reached {evaluation.human_kl:g}: people are asked about {n} completions.")
        keep_report(self._run)
        self._forget_models()

    def take_steps(self) -> None:
        self._steps_at = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            rows = read_steps(self._out / "steps.jsonl")
            PolicyRun.objects.filter(pk=self._run.pk).update(steps=as_points(rows))

    # --- models ---
    def model_of(self, step: int) -> Path | None:
        """Where the policy of an evaluation lies by now; None for one that is gone."""
        places = (self._aside(step), self._made(step))
        return next((path for path in places if path.is_dir()), None)

    def without_model(self, steps: Iterable[int]) -> set[int]:
        """Those whose policy is not there; never 0, the start."""
        return {step for step in steps if step and self.model_of(step) is None}

    def _aside(self, step: int) -> Path:
        return self._out.parent / "models" / f"{step:05d}"

    def _made(self, step: int) -> Path:
        return self._out / "evaluations" / f"{step:05d}" / "model"

    def _put_aside(self, evaluation: PolicyEvaluation) -> None:
        """At its end the engine keeps the last one and its own best; people may like another. The one that they are
        asked about stays when a run comes by there once more."""
        made, aside = self._made(evaluation.step), self._aside(evaluation.step)
        if made.is_dir() and not (evaluation.n_comparisons and aside.is_dir()):
            same_files(made, aside)

    def _forget_models(self) -> None:
        """Remove the models that nobody can choose any more: of a large policy each takes gigabytes.

        Only of evaluations before the checkpoints that a retry would go on from: what came after may turn out otherwise
        there, and then an earlier one be the best again.
        """
        settled = [one for one in self._run.evaluations.order_by("step") if one.step <= self._safe_step()]
        settled = [one for one in settled if self._made(one.step).parent.is_dir()]  # not of an earlier go
        if not settled:
            return
        worth = worth_keeping(settled, self._options.stop_rule) | {settled[-1].step}
        for one in settled:
            if one.step not in worth:
                shutil.rmtree(self._made(one.step), ignore_errors=True)
                shutil.rmtree(self._aside(one.step), ignore_errors=True)

    def _safe_step(self) -> int:
        """Of the oldest checkpoint that there is; 0 without one."""
        try:
            paths = json.loads((self._out / "checkpoints.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        return min((int(path.rpartition("-")[2]) for path in paths if Path(path).is_dir()), default=0)

    # --- people ---
    def _heed_people(self) -> None:
        """Have the engine end where people say so."""
        if not self._options.early_stop or (self._out / "stop.json").exists() or not self._out.is_dir():
            return
        steps = list(self._run.evaluations.values_list("step", flat=True))
        # Of this go: a run that starts anew on another machine comes by the others once more.
        gone = {one for one in self.without_model(steps) if self._made(one).parent.is_dir()}
        decision = judging.peoples_decision(self._run, gone)
        if decision is None or not decision.stop:
            return
        if decision.best_step and self.model_of(decision.best_step) is None:
            return
        write_json(
            self._out / "stop.json",
            {"reason": decision.reason, "message": decision.message, "best_step": decision.best_step},
        )
        self._context.log(decision.message, level="warning")

    def peoples_step(self) -> int | None:
        """The step that people's verdict keeps, where it ended the run."""
        if not (self._out / "stop.json").exists():
            return None
        return int(_read_json(self._out / "stop.json")["best_step"])


def _read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    return found


def _no_number(_: str) -> None:
    """NaN and infinities, which are no JSON: the database takes none."""


@transaction.atomic
def store_evaluation(*, run: PolicyRun, metrics: dict[str, Any], rows: Sequence[dict[str, Any]]) -> PolicyEvaluation:
    """Store an evaluation and its samples, again where a run came by once more; what people are asked about stays.

    Locks the run's row.
    """
    PolicyRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    made, _ = PolicyEvaluation.objects.get_or_create(run=run, step=metrics["step"], defaults={"metrics": metrics})
    if made.n_comparisons:
        return made
    made.metrics, made.human_kl = metrics, metrics.get("human_kl")
    made.save()
    made.samples.all().delete()
    ids = {int(row["prompt_id"]) for row in rows}
    there = set(Prompt.objects.filter(pk__in=ids, pool=run.project.pool_id).values_list("pk", flat=True))
    PolicySample.objects.bulk_create(
        (
            PolicySample(
                evaluation=made,
                prompt_id=int(row["prompt_id"]),
                completion=row["completion"].replace("\x00", ""),
                reference=row["reference"].replace("\x00", ""),
                **{name: row.get(name) for name in _NUMBERS},
            )
            for row in rows
            if int(row["prompt_id"]) in there
        ),
        batch_size=500,
    )
    return made


def keep_report(run: PolicyRun) -> None:
    PolicyRun.objects.filter(pk=run.pk).update(report=judging.report_of(run))


def read_steps(path: Path) -> list[dict[str, Any]]:
    """The updates so far; a line that is just being written is left for the next time."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line, parse_constant=_no_number))
    return rows


def as_points(rows: Sequence[dict[str, Any]], most: int = MAX_POINTS) -> dict[str, Any]:
    """{"columns", "rows"}: at most so many rows, each the means of a few neighbours, at the last one's step."""
    width = max(1, -(-len(rows) // most))
    points = []
    for start in range(0, len(rows), width):
        part = rows[start : start + width]
        points.append([part[-1]["step"], *(_mean([row.get(name) for row in part]) for name in COLUMNS[1:])])
    return {"columns": list(COLUMNS), "rows": points}


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


# --- the end ---------------------------------------------------------------------------------------------------------
def _finish(run: PolicyRun, result: dict[str, Any], follower: _Follower, context: JobContext) -> PolicyRun:
    """Keep the best policy as a checkpoint of the pool: from then on it is the current one. Where the start was the
    best of all, nothing is kept. The models of those that may be kept instead stay too."""
    evaluations = list(run.evaluations.order_by("step"))
    step = _best_step(run, evaluations, result, follower)
    worth = worth_keeping(evaluations, judging.rule_of(run)) | ({step} if step else set())
    found = {one: follower.model_of(one) for one in worth}
    if step and step == result["best_step"]:
        found[step] = found.get(step) or Path(result["model"])
    paths = {one: keep_files(run, one, model) for one, model in sorted(found.items()) if model is not None}
    report = judging.report_of(run)
    with transaction.atomic():
        locked = PolicyRun.objects.select_for_update(of=("self",)).select_related("project").get(pk=run.pk)
        if locked.finished_at is None:
            locked.checkpoint = checkpoint_of(locked, step, paths[step]) if step else None
            locked.stop_reason, locked.stop_message = result["stop_reason"][:40], result["stop_message"][:500]
            locked.report = {**report, "best_step": step, "last_step": result["last_step"]}
            locked.finished_at = timezone.now()
            locked.save()
            for one, path in paths.items():
                locked.evaluations.filter(step=one).update(model_path=str(path))
    told = f"step {step} is kept as {locked.checkpoint}" if locked.checkpoint else "nothing was better than the start"
    context.log(f"{locked.stop_message} {told[:1].upper()}{told[1:]}.".strip())
    return locked


def _best_step(run: PolicyRun, evaluations: list[PolicyEvaluation], result: dict[str, Any], follower: _Follower) -> int:
    """By people where they ended the run, or are the only judges and have said enough by now; else by the engine: the
    second judge's best, or the last."""
    ended = follower.peoples_step()
    if ended is not None:
        return ended
    gone = follower.without_model(one.step for one in evaluations)
    said = None if judging.gold_points(evaluations) else judging.peoples_decision(run, gone)
    return int(result["best_step"]) if said is None else said.best_step
