"""SFT runs by API, by command, and for real: the engine in its own process, a tiny model, real chosen completions."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from annotate.jobs.context import JobCancelled, JobContext, JobFailed
from annotate.jobs.models import Job
from annotate.jobs.services import claim
from annotate.pool.models import SourceKind
from annotate.projects.models import AuditEvent
from tests.training.generation.conftest import tiny_base
from tests.training.policy.test_sft_examples import frozen, prompt_on
from tests.training.ratings import running_job
from tests.training.real import load_pandalm
from tests.training.refresh.conftest import wait_for
from training.generation.options import GenerationOptions
from training.generation.services import create_generation, run_generation
from training.policy.models import Checkpoint, SftRun
from training.policy.options import SftOptions
from training.policy.services import resolve_base_model
from training.policy.sft import forget_sft_models, kept_model, run_sft, start_sft_run
from training.policy_runs.starts import find_start

__all__ = ["tiny_base"]

URL = "/api/v1/projects/helpfulness/sft-runs"
SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
START = {"owner": 201, "researcher": 201, "reviewer": 403, "labeller": 403, "outsider": 404}
SHORT: dict[str, Any] = {"max_length": 128, "learning_rate": 5e-3, "epochs": 3}


@pytest.fixture
def base(cast, tiny_base) -> Checkpoint:
    return Checkpoint.objects.create(pool=cast.project.pool, name="base-1", kind="base", path=str(tiny_base))


@pytest.fixture
def demonstrations(cast) -> None:
    for number in range(3):
        prompt_on(cast.project, "train", [f"An oak, the {number}th."], SourceKind.HUMAN)


@pytest.fixture
def pandalm(cast):
    """Comparison set 1: what people chose of real completions."""
    load_pandalm(cast.project, 300)
    return frozen(cast.project)


def context_of(run: SftRun) -> JobContext:
    assert run.job_id is not None
    taken = claim(job_id=run.job_id, worker="test")
    assert taken is not None
    return JobContext(taken)


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, demonstrations, who, status):
    start_sft_run(project=cast.project, options=SftOptions())
    client = cast.client(getattr(cast, who))
    assert client.get(URL).status_code == status
    assert client.get(f"{URL}/1").status_code == status
    assert client.get(f"{URL}/2").status_code == (404 if status == 200 else status)


@pytest.mark.parametrize(("who", "status"), START.items())
def test_who_may_start_and_preview(cast, demonstrations, who, status):
    client = cast.client(getattr(cast, who))
    seen = 200 if status == 201 else status
    assert client.get(f"{URL}/options").status_code == seen
    assert client.post(f"{URL}/preview", {}, format="json").status_code == seen
    assert not SftRun.objects.exists()
    assert client.post(URL, {}, format="json").status_code == status
    assert SftRun.objects.count() == (status == 201)


def test_it_is_queued_for_the_gpu_and_written_down(cast, base, demonstrations):
    asked = {"base_model": f"checkpoint:{base.pk}", "epochs": 1}
    body = cast.client(cast.researcher).post(URL, asked, format="json").json()
    job = Job.objects.get(pk=body["job"]["id"])
    assert (job.kind, job.queue, job.title) == ("sft", "gpu", "SFT run 1 of base-1")
    assert (body["number"], body["state"], body["base_name"], body["report"]) == (1, "queued", "base-1", None)
    assert body["counts"]["n_examples"] == 3
    event = AuditEvent.objects.get(action="sft_run.started")
    assert event.actor == cast.researcher
    assert event.summary == "SFT run 1 is started: base-1 on what people wrote"


def test_a_preview_counts_before_anything_starts(cast, pandalm):
    found = cast.client(cast.researcher).post(f"{URL}/preview", {"comparison_set": 1, **SHORT}, format="json").json()
    assert found["n_examples"] > 50 and found["n_heldout"] > 3
    assert found["n_updates"] == -(-3 * -(-found["n_tokens"] // 128) // 4)
    assert 0 < found["n_long"] < found["n_examples"]
    assert [one["code"] for one in found["warnings"]] == ["few_heldout"]


def test_it_warns_of_few_and_of_none_held_out(cast, demonstrations):
    found = cast.client(cast.researcher).post(f"{URL}/preview", {}, format="json").json()
    assert [one["code"] for one in found["warnings"]] == ["few_examples", "no_heldout"]


def test_what_is_not_there_is_told_by_field(cast, demonstrations):
    asked = {"base_model": "checkpoint:999", "comparison_set": 7}
    for address in (URL, f"{URL}/preview"):
        answer = cast.client(cast.researcher).post(address, asked, format="json")
        assert answer.status_code == 400
        assert {error["field"] for error in answer.json()["errors"]} == {"base_model", "comparison_set"}


def test_nothing_to_learn_from_is_a_conflict(cast):
    answer = cast.client(cast.researcher).post(URL, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_examples")


def test_the_form_starts_with_the_newest_set_and_names_what_there_is(cast, base, pandalm):
    found = cast.client(cast.researcher).get(f"{URL}/options").json()
    assert found["defaults"] == SftOptions(comparison_set=1).to_dict()
    assert found["comparison_sets"] == [{"value": 1, "label": "Comparison set 1"}]
    assert found["base_models"][1] == {"value": f"checkpoint:{base.pk}", "label": "base-1 (Base model)"}


def test_the_database_keeps_numbers_and_the_end(cast, base, demonstrations):
    run = start_sft_run(project=cast.project, options=SftOptions())
    for changes in ({"number": run.number}, {"number": 0}, {"number": 2, "checkpoint": base}):
        with pytest.raises(IntegrityError), transaction.atomic():
            SftRun.objects.create(project=cast.project, options={}, base_name="x", **changes)


@pytest.mark.django_db(transaction=True)
def test_a_worker_makes_a_model_that_has_learnt_and_can_be_used(cast, celery_workers, base, pandalm):
    client = cast.client(cast.researcher)
    asked = {"base_model": f"checkpoint:{base.pk}", "comparison_set": 1, **SHORT}
    body = client.post(URL, asked, format="json").json()
    wait_for(lambda: Job.objects.get(pk=body["job"]["id"]).is_finished, 150, "the SFT run")
    found = client.get(f"{URL}/1").json()
    assert (found["state"], found["job"]["error"]) == ("succeeded", None)
    assert found["report"]["heldout_after"] < found["report"]["heldout_before"] - 0.1
    assert found["report"]["n_heldout"] == found["counts"]["n_heldout"] > 0
    made = Checkpoint.objects.get(pk=found["checkpoint"]["id"])
    assert (made.name, made.kind, made.parent) == ("sft-helpfulness-1", "sft", base)
    assert made.metrics["digest"] == pandalm.digest
    assert made.metrics["heldout_after"] == found["report"]["heldout_after"]
    # It writes completions, and policy runs, reward models and the next SFT run can start from it.
    mix = [{"source": f"checkpoint:{made.pk}"}]
    generation = create_generation(
        project=cast.project,
        options=GenerationOptions.parse({"mix": mix, "n_prompts": 4, "max_new_tokens": 8, "is_unlabelled_only": False}),
    )
    assert run_generation(generation=generation, context=running_job(cast.project)).counts["written"] > 0
    assert find_start(cast.project, f"checkpoint:{made.pk}").path == made.path
    name = f"checkpoint:{made.pk}"
    assert resolve_base_model(pool=cast.project.pool, name=name, context=running_job(cast.project)).checkpoint == made
    forget_sft_models([SftRun.objects.get().pk])
    assert not Path(made.path).exists()


def test_only_the_training_split_is_trained_on_and_a_finished_run_is_left(cast, base, pandalm, monkeypatch):
    options = SftOptions(base_model=f"checkpoint:{base.pk}", comparison_set=1, max_length=64, epochs=0.1)
    run = start_sft_run(project=cast.project, options=options)
    context = context_of(run)
    seen: dict[str, Any] = {}
    whole = JobContext.run_process

    def look(self, command, **given):
        seen["config"] = json.loads(Path(command[-1]).read_text())
        for name in ("data", "heldout"):
            lines = Path(seen["config"][name]).read_text().splitlines()
            seen[name] = {json.dumps(json.loads(line)["messages"]) for line in lines}
        return whole(self, command, **given)

    monkeypatch.setattr(JobContext, "run_process", look)
    done = run_sft(run=run, context=context)
    assert seen["data"] and seen["heldout"] and not seen["data"] & seen["heldout"]
    assert (seen["config"]["epochs"], seen["config"]["context_length"]) == (0.1, 64)
    assert done.checkpoint is not None and (kept_model(run.pk) / "config.json").is_file()
    seen.clear()
    assert run_sft(run=run, context=context).checkpoint == done.checkpoint
    assert not seen
    forget_sft_models([run.pk])


def test_one_that_was_cancelled_goes_on_where_it_was(cast, base, pandalm, monkeypatch):
    options = SftOptions(base_model=f"checkpoint:{base.pk}", comparison_set=1, **SHORT | {"epochs": 10})
    run = start_sft_run(project=cast.project, options=options)
    context = context_of(run)
    report = JobContext.progress

    def cancel_at_five(self, done=None, total=None, **told):
        report(self, done, total, **told)
        if done is not None and done >= 5 and total:
            raise JobCancelled

    with monkeypatch.context() as patched:
        patched.setattr(JobContext, "progress", cancel_at_five)
        with pytest.raises(JobCancelled):
            run_sft(run=run, context=context)
    run.refresh_from_db()
    assert run.finished_at is None and not kept_model(run.pk).exists()
    done = run_sft(run=run, context=context)
    assert done.checkpoint is not None
    told = " ".join(context.job.log_lines.values_list("message", flat=True))
    assert "resumed sft at step" in told
    forget_sft_models([run.pk])


def test_lora_trains_and_is_merged(cast, base, pandalm):
    options = SftOptions(base_model=f"checkpoint:{base.pk}", comparison_set=1, **SHORT | {"lora_rank": 4})
    run = start_sft_run(project=cast.project, options=options)
    done = run_sft(run=run, context=context_of(run))
    assert done.report["heldout_after"] < done.report["heldout_before"]
    assert sorted(path.name for path in kept_model(run.pk).glob("*.safetensors")) == ["model.safetensors"]
    forget_sft_models([run.pk])


def test_a_base_model_that_is_gone_says_so(cast, tmp_path, demonstrations):
    missing = Checkpoint.objects.create(pool=cast.project.pool, name="gone", kind="base", path=str(tmp_path / "gone"))
    run = start_sft_run(project=cast.project, options=SftOptions(base_model=f"checkpoint:{missing.pk}"))
    with pytest.raises(JobFailed) as told:
        run_sft(run=run, context=context_of(run))
    assert told.value.code == "base_model_not_found"


def test_a_checkpoint_of_another_pool_is_no_base(cast, base):
    with pytest.raises(JobFailed, match="in this pool"):
        resolve_base_model(pool=cast.project.pool, name=f"checkpoint:{base.pk + 1}", context=running_job(cast.project))


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("sft", "--project", "helpfulness", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_previews_and_starts_one(cast, demonstrations):
    told = command("--preview", "--option", "epochs=1")
    assert "n examples: 3" in told and "Fewer than 20 examples" in told
    assert not SftRun.objects.exists()
    assert "SFT run 1 of Helpfulness is queued" in command("--option", "epochs=1")
    assert SftRun.objects.get().options["epochs"] == 1
    with pytest.raises(CommandError, match="comparison_set: There is no finished comparison set 9"):
        command("--option", "comparison_set=9")
