"""Files scored by the job, with the real scorer and, where one is killed, a real worker."""

import io
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils import timezone

from annotate.jobs import services as jobs
from annotate.jobs.context import JobContext, JobFailed, ShuttingDown
from annotate.jobs.models import Job
from annotate.jobs.services import claim
from annotate.projects.models import AuditEvent
from tests.engine.conftest import real_comparisons, real_set, tiny_base, trained_model  # noqa: F401
from tests.training.refresh.conftest import wait_for
from tests.training.reward.registered import make_model, make_set
from training import artifacts
from training.engine.scoring.client import ScorerClient
from training.reward import bulk, registry
from training.reward.models import BulkScoring, RewardModelState

URL = "/api/v1/projects/helpfulness/bulk-scorings"


@pytest.fixture
def registry_file():
    path = Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def served(cast, live_scorer, registry_file, trained_model):  # noqa: F811
    """The promoted model, v1, which the scorer is about to serve."""
    model = make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(trained_model))
    registry.sync()
    return model


def write_rows(path: Path, n: int, *broken: str) -> Path:
    """Real prompts with four completions each, and then lines that are no rows."""
    found = real_comparisons("pandalm")
    with path.open("w") as file:
        for number in range(n):
            one = found[number % len(found)]
            texts = [side["text"] or "-" for side in one["completions"]]
            row = {"prompt": one["prompt"], "completions": [*texts, *(f"{text} {number}" for text in texts)]}
            file.write(json.dumps(row | {"number": number}) + "\n")
        file.writelines(f"{line}\n" for line in broken)
    return path


def start(cast, path: Path, **fields: Any) -> BulkScoring:
    return bulk.request_bulk_scoring(
        project=cast.project, input_url=str(path), name=path.name, created_by=cast.researcher, **fields
    )


def run(scoring: BulkScoring) -> BulkScoring:
    """As a worker does it, in this process."""
    return bulk.score_bulk(scoring=scoring, context=context_of(scoring))


def job_of(scoring: BulkScoring) -> Job:
    """As it is now."""
    assert scoring.job_id is not None
    return Job.objects.get(pk=scoring.job_id)


def context_of(scoring: BulkScoring) -> JobContext:
    job = job_of(scoring)
    Job.objects.filter(pk=job.pk).update(state="queued", claim=None, heartbeat_at=None)
    taken = claim(job_id=job.pk, worker="test")
    assert taken is not None
    return JobContext(taken)


def shards(scoring: BulkScoring) -> list[Path]:
    directory = Path(artifacts.open_filesystem(scoring.output_url)[1])
    return sorted(directory.glob("part-*.parquet"))


def scored_rows(scoring: BulkScoring) -> list[dict[str, Any]]:
    return [row for path in shards(scoring) for row in pq.read_table(path).to_pylist()]


def registered(path: Path) -> list[tuple[int, str]]:
    return [(entry["version"], entry["state"]) for entry in json.loads(path.read_text())["models"]]


# --- starting ---
def test_without_a_promoted_model_it_says_what_to_do(cast, tmp_path):
    answer = cast.client(cast.researcher).post(URL, {"file": SimpleUploadedFile("a.jsonl", b"{}")})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")


def test_an_upload_is_kept_and_queued_and_written_down(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    file = SimpleUploadedFile("my rows.jsonl", b'{"prompt": "x", "completion": "y"}\n')
    answer = cast.client(cast.researcher).post(URL, {"file": file, "rows_per_shard": 7})
    assert answer.status_code == 202, answer.json()
    scoring = BulkScoring.objects.get()
    told = answer.json()
    assert (told["name"], told["rows_per_shard"], told["reward_model"]["version"]) == ("my rows.jsonl", 7, 1)
    assert (told["job"]["state"], told["job"]["title"]) == ("queued", "Score my rows.jsonl with v1")
    assert artifacts.read_file(scoring.input_url) == b'{"prompt": "x", "completion": "y"}\n'
    event = AuditEvent.objects.get(action="bulk_scoring.started")
    assert (event.actor, event.target_id, event.details["version"]) == (cast.researcher, str(scoring.pk), 1)
    assert cast.client(cast.reviewer).get(f"{URL}/{scoring.pk}").json()["files"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"file": SimpleUploadedFile("a.csv", b"x")}, 400, "unknown_file_kind"),
        ({"file": SimpleUploadedFile("a.jsonl", b"12345678")}, 413, "file_too_large"),
        ({"url": "/etc/passwd"}, 400, "url_not_allowed"),
        ({}, 400, "invalid"),
        ({"url": "x", "comparison_set_id": 1}, 400, "invalid"),
        ({"comparison_set_id": 99}, 404, "not_found"),
        ({"file": SimpleUploadedFile("a.jsonl", b"{}"), "version": 9}, 404, "not_found"),
    ],
)
def test_what_cannot_be_scored_is_refused(cast, body, status, code):
    make_model(cast.project, RewardModelState.PROMOTED)
    with override_settings(UPLOAD_MAX_BYTES=7):
        answer = cast.client(cast.researcher).post(URL, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not BulkScoring.objects.exists()


def test_a_model_that_is_not_trained_cannot_score(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    make_model(cast.project, RewardModelState.TRAINING)
    answer = cast.client(cast.researcher).post(URL, {"file": SimpleUploadedFile("a.jsonl", b"{}"), "version": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_trained")


def test_only_places_that_the_operator_allows_can_be_named(cast):
    mine = make_set(cast.project)
    with override_settings(BULK_ROOTS=["s3://bucket/rollouts", "/data/rollouts/"]):
        for url in (
            "s3://bucket/rollouts/a.jsonl",
            "s3://bucket/rollouts/*.parquet",
            "/data/rollouts",
            "file:///data/rollouts/x/y.jsonl",
            mine.uri,
            f"{mine.uri}/test-*.parquet",
        ):
            assert bulk.allowed_url(cast.project, url) == url
        for url in (
            "s3://bucket/rollouts-of-others/a.jsonl",
            "s3://bucket/rollouts/../secrets.jsonl",
            "s3://bucket/rollouts/%2e%2e/secrets.jsonl",
            "/data/rollouts/../../etc/passwd",
            "/data",
            "/",
            "simplecache::file:///data/rollouts/a.jsonl",
            "filecache::s3://bucket/rollouts/a.jsonl",
            "https://bucket/rollouts/a.jsonl",
            "nonsense://bucket/rollouts",
            "/tmp/sets/11",
            "",
        ):
            with pytest.raises(bulk.DomainError) as refusal:
                bulk.allowed_url(cast.project, url)
            assert refusal.value.code == "url_not_allowed", url


def test_another_projects_comparison_set_is_not_to_be_had(cast):
    from annotate.projects.services import create_project

    make_model(cast.project, RewardModelState.PROMOTED)
    other = create_project(name="Elsewhere", slug="elsewhere", axis="overall", owner=cast.outsider)
    theirs = make_set(other)
    client = cast.client(cast.researcher)
    assert client.post(URL, {"comparison_set_id": theirs.pk}).status_code == 404
    type(theirs).objects.filter(pk=theirs.pk).update(uri="/tmp/sets/of-others")
    assert client.post(URL, {"url": "/tmp/sets/of-others"}).json()["code"] == "url_not_allowed"


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"name": ""}, "bulk_scorings_have_a_name"),
        ({"rows_per_shard": 0}, "bulk_scorings_shards_have_rows"),
        ({"max_bad_share": 1.5}, "bulk_scorings_max_bad_share_range"),
    ],
)
def test_the_database_keeps_its_rules(cast, fields, constraint):
    model = make_model(cast.project)
    row = BulkScoring(
        project=cast.project,
        reward_model=model,
        input_url="/x",
        **({"name": "x", "rows_per_shard": 1, "max_bad_share": 0.1} | fields),
    )
    with pytest.raises(ValidationError):
        row.full_clean()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        row.save()


# --- the version ---
def test_a_version_is_held_for_the_job_and_no_longer(cast, registry_file, tmp_path, django_capture_on_commit_callbacks):
    """Whatever is promoted meanwhile: the scorer's list keeps what the job began with until it has ended."""
    from training.reward.services import promote

    make_model(cast.project, RewardModelState.PROMOTED)
    with django_capture_on_commit_callbacks(execute=True):
        scoring = start(cast, write_rows(tmp_path / "in.jsonl", 1))
        promote(model=make_model(cast.project), reason="better", actor=None)
    assert registered(registry_file) == [(2, "promoted"), (1, "held")]
    with django_capture_on_commit_callbacks(execute=True):
        jobs.request_cancel(job=job_of(scoring))
    assert registered(registry_file) == [(2, "promoted")]


@pytest.mark.django_db(transaction=True)
def test_a_version_that_is_no_longer_served_is_told_and_not_replaced(cast, served, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "PATIENCE_UNKNOWN_S", 1.0)
    monkeypatch.setattr(bulk, "PAUSE_S", 0.1)
    scoring = start(cast, write_rows(tmp_path / "in.jsonl", 5))
    type(served).objects.filter(pk=served.pk).update(state=RewardModelState.RETIRED)  # and nothing in its place
    registry.sync()
    with ScorerClient(settings.SCORER_URL) as scorer:
        wait_for(lambda: not scorer.models(), 30, "the scorer to take it away")
    with pytest.raises(JobFailed, match="v1 is no longer served, and versions are not mixed") as failure:
        run(scoring)
    assert failure.value.code == "version_not_served"
    assert shards(scoring) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_a_promotion_meanwhile_changes_nothing_for_the_rows_that_are_left(cast, served, tmp_path):
    from training.reward.services import promote

    scoring = start(cast, write_rows(tmp_path / "in.jsonl", 30), rows_per_shard=10)
    newer = make_model(cast.project, artifact_uri=served.artifact_uri)
    promote(model=newer, reason="better", actor=None)
    with ScorerClient(settings.SCORER_URL) as scorer:
        wait_for(lambda: {model["version"] for model in scorer.models()} == {1, 2}, 60, "both versions")
        assert scorer.score("helpfulness", [([{"role": "user", "content": "x"}], ["y"])]).version == 2
    assert run(scoring).counts["scored"] == 30
    assert {row["version"] for row in scored_rows(scoring)} == {1}


# --- the job ---
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_a_file_is_scored_and_can_be_downloaded(cast, celery_workers, served, tmp_path):
    path = write_rows(tmp_path / "in.jsonl", 130, '{"prompt": "x"}', "no JSON")
    client = cast.client(cast.researcher)
    with path.open("rb") as file:
        answer = client.post(URL, {"file": file, "rows_per_shard": 50})
    assert answer.status_code == 202, answer.json()
    address = f"{URL}/{answer.json()['id']}"
    wait_for(lambda: client.get(address).json()["job"]["finished_at"], 60, "the job")
    told = client.get(address).json()
    assert (told["job"]["state"], told["job"]["error"]) == ("succeeded", None)
    assert told["counts"] == {
        "rows": 132,
        "scored": 130,
        "rejected": 2,
        "completions": 520,
        "truncated": told["counts"]["truncated"],
    }
    assert told["job"]["progress"] | {"message": ""} == {
        "done": 132, "total": 132, "unit": "rows", "message": "", "fraction": 1.0,
    }  # fmt: skip
    assert [(one["path"], one["rows"]) for one in told["files"]] == [
        ("part-00000.parquet", 50), ("part-00001.parquet", 50), ("part-00002.parquet", 30),
    ]  # fmt: skip
    scoring = BulkScoring.objects.get()
    rows = scored_rows(scoring)
    assert [row["number"] for row in rows] == list(range(130))
    assert all(len(row["rewards"]) == 4 and row["version"] == 1 for row in rows)
    asked = client.post("/api/v1/projects/helpfulness/score", {
        "messages": rows[7]["prompt"], "completions": rows[7]["completions"],
    }, format="json").json()  # fmt: skip
    assert rows[7]["rewards"] == pytest.approx(asked["rewards"], abs=0.02)
    assert artifacts.read_file(scoring.input_url) is None, "the upload is not needed any more"

    part = client.get(f"{address}/files/part-00001.parquet")
    content = b"".join(part.streaming_content)
    assert content == shards(scoring)[1].read_bytes() and int(part["Content-Length"]) == len(content)
    bad = b"".join(client.get(f"{address}/files/rejected.jsonl").streaming_content).decode().splitlines()
    assert [json.loads(line)["row"] for line in bad] == [131, 132]
    manifest = json.loads(b"".join(client.get(f"{address}/files/manifest.json").streaming_content))
    assert (manifest["model"], manifest["version"], manifest["input"]) == ("helpfulness", 1, "in.jsonl")
    for name in ("plan.json", "part-00009.parquet", "..%2Fmanifest.json"):
        assert client.get(f"{address}/files/{name}").status_code == 404
    assert cast.client(cast.labeller).get(f"{address}/files/manifest.json").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_too_many_bad_rows_fail_it_at_its_end(cast, served, tmp_path):
    path = write_rows(tmp_path / "in.jsonl", 8, "no JSON", "{}")
    scoring = start(cast, path, max_bad_share=0.19)
    for _ in range(2):  # a retry says the same at once
        with pytest.raises(JobFailed, match="2 of 10 rows could not be scored, more than 19%") as failure:
            run(scoring)
        assert failure.value.code == "too_many_bad_rows"
    assert len(scored_rows(scoring)) == 8
    assert run(start(cast, path, max_bad_share=0.2)).counts["rejected"] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("content", "code"), [("", "empty_file"), ("\n\n", "empty_file"), (None, "input_not_found")])
def test_an_input_that_has_nothing_is_told(cast, served, tmp_path, content, code):
    path = tmp_path / "in.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(JobFailed) as failure:
        run(start(cast, path))
    assert failure.value.code == code


@pytest.mark.django_db(transaction=True)
def test_it_lets_others_of_its_queue_go_first(cast, served, tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "TURN_S", 0.0)
    scoring = start(cast, write_rows(tmp_path / "in.jsonl", 30), rows_per_shard=10)
    other = start(cast, tmp_path / "in.jsonl")
    context = context_of(scoring)
    with pytest.raises(ShuttingDown):
        bulk.score_bulk(scoring=scoring, context=context)
    assert len(shards(scoring)) == 1
    Job.objects.filter(pk=job_of(other).pk).update(state="cancelled", finished_at=timezone.now())
    assert run(scoring).counts["scored"] == 30
    assert [row["number"] for row in scored_rows(scoring)] == list(range(30))


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(120)
def test_a_killed_worker_is_survived(cast, celery_workers, served, tmp_path):
    path = write_rows(tmp_path / "in.jsonl", 4_000)
    scoring = start(cast, path, rows_per_shard=200)
    wait_for(lambda: len(shards(scoring)) >= 3, 60, "three shards")
    celery_workers.kill("gpu")
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in shards(scoring)}
    assert 3 <= len(before) < 20
    long_ago = timezone.now() - timedelta(seconds=settings.JOB_LOST_AFTER_S + 1)
    Job.objects.filter(pk=job_of(scoring).pk).update(heartbeat_at=long_ago)  # as if the silence had lasted long enough
    celery_workers.ensure_ready()
    assert jobs.reap()["resumed"] == 1
    wait_for(lambda: job_of(scoring).is_finished, 60, "the job")
    job = job_of(scoring)
    assert (job.state, job.error_message, job.attempt) == ("succeeded", "", 2)
    scoring.refresh_from_db()
    assert scoring.counts["scored"] == 4_000
    assert [row["number"] for row in scored_rows(scoring)] == list(range(4_000)), "each row once"
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in shards(scoring)}
    assert {name: after[name] for name in before} == before, "whole shards were left alone"
    directory = shards(scoring)[0].parent
    assert not list(directory.glob(".*")), "nothing half written is left"


# --- the command ---
def score(*arguments: str) -> str:
    out = io.StringIO()
    call_command("score", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_takes_any_place(cast, tmp_path, monkeypatch):
    make_model(cast.project, RewardModelState.PROMOTED)
    make_model(cast.project)
    write_rows(tmp_path / "in.jsonl", 1)
    monkeypatch.chdir(tmp_path)
    told = score("--project", "helpfulness", "--input", "in.jsonl", "--version", "2", "--rows-per-shard", "10")
    assert "in.jsonl is to be scored with v2" in told and "bulk-scorings/helpfulness" in told
    row = BulkScoring.objects.get()
    assert (row.input_url, row.rows_per_shard, row.created_by) == (str(tmp_path / "in.jsonl"), 10, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--project", "nope", "--input", "x.jsonl"], "there are: helpfulness"),
        (["--project", "helpfulness", "--input", "/nowhere.jsonl"], "There is nothing at /nowhere.jsonl"),
        (["--project", "helpfulness", "--input", "/dev"], "There is no .parquet"),
        (["--project", "helpfulness", "--input", __file__], "should end in"),
    ],
)
def test_the_command_says_what_is_wrong(cast, arguments, message):
    with pytest.raises(CommandError, match=message):
        score(*arguments)
