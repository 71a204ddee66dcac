"""Drift reports as rows and jobs, with the real engine and a model of real weights."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotate.common.errors import DomainError
from annotate.jobs.models import Job
from annotate.pool.models import Completion, CompletionSource, Prompt, SourceKind
from annotate.projects.models import Project
from tests.engine.conftest import comparison_row, real_comparisons, tiny_base, write_comparison_set
from tests.training.ratings import make_prompt, running_job, sha256
from tests.training.refresh.conftest import wait_for
from tests.training.reward.registered import make_model, save_models
from training.drift.completions import write_sides
from training.drift.models import DriftReport, Verdict
from training.drift.selectors import needs_refresh
from training.drift.services import create_drift_report, request_drift_report, run_drift_report
from training.exports.models import ComparisonSet
from training.generation.models import GeneratedCompletion, Generation
from training.reward.models import RewardModel, RewardModelState

__all__ = ["tiny_base"]

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_base) -> Path:
    return save_models(tiny_base, tmp_path_factory.mktemp("drifted"))["single"]


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory) -> Path:
    rows = [comparison_row(one, number) for number, one in enumerate(real_comparisons("pandalm"))]
    return write_comparison_set(tmp_path_factory.mktemp("drift-set"), rows)


@pytest.fixture
def model(cast, weights, trained_on) -> RewardModel:
    made = make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(weights))
    ComparisonSet.objects.filter(pk=made.comparison_set_id).update(uri=str(trained_on))
    made.refresh_from_db()
    return made


def write_completions(
    project: Project, n: int, text: Callable[[str], str], kind: str = SourceKind.CURRENT_POLICY
) -> list[Completion]:
    """n completions of n real prompts."""
    source, _ = CompletionSource.objects.get_or_create(pool=project.pool, name=f"a-{kind}", defaults={"kind": kind})
    made: list[Completion] = []
    for one in real_comparisons("pandalm"):
        question = one["prompt"][0]["content"]
        prompt, is_new = Prompt.objects.get_or_create(
            pool=project.pool,
            digest=sha256(question),
            defaults={"messages": one["prompt"], "excerpt": question[:200], "language": "en"},
        )
        if is_new and len(made) < n:
            written = text(one["completions"][0]["text"])
            made.append(Completion.objects.create(prompt=prompt, source=source, text=written, digest=sha256(written)))
    return made


def shout(text: str) -> str:
    return "AND SO ON. " + 3 * text.upper()


@pytest.mark.django_db(transaction=True)
def test_the_job_says_that_a_policy_which_shouts_has_drifted(cast, model, celery_workers):
    write_completions(cast.project, 80, shout)
    report = request_drift_report(project=cast.project, created_by=cast.researcher)
    job = report.job
    assert job is not None
    wait_for(lambda: Job.objects.get(pk=job.pk).is_finished, 360, "the drift report")
    job.refresh_from_db()
    assert (job.state, job.error_message, job.queue) == ("succeeded", "", "gpu")
    report.refresh_from_db()
    assert report.verdict == Verdict.STRONG and report.finished_at is not None
    assert report.report["compared"]["what"] == "current_policy"
    assert report.report["compared"]["sources"] == [{"name": "a-current_policy", "n": 80}]
    trigger = needs_refresh(cast.project)
    assert trigger is not None and trigger.report == report and "drifted strongly" in trigger.reason

    url = f"/api/v1/projects/{cast.project.slug}/drift-reports"
    told = cast.client(cast.reviewer).get(f"{url}/{report.pk}").json()
    assert told["verdict"] == "strong" and told["report"]["n"]["policy"]["used"] == 80
    assert {one["name"] for one in told["report"]["measures"]} >= {"classifier", "mmd", "lengths", "rewards"}


@pytest.mark.django_db
def test_a_finished_report_is_left_as_it_is(cast, model):
    report = create_drift_report(project=cast.project, model=model)
    context = running_job(cast.project, "drift")
    first = run_drift_report(report=report, context=context)
    assert first.verdict == Verdict.TOO_FEW  # nothing has been written
    write_completions(cast.project, 60, shout)
    assert run_drift_report(report=report, context=context).finished_at == first.finished_at
    assert needs_refresh(cast.project) is None


@pytest.mark.django_db
class TestWhatStandsForThePolicy:
    def test_the_completions_of_a_generation(self, cast, model, tmp_path):
        mine, other = write_completions(cast.project, 2, shout)
        generation = Generation.objects.create(project=cast.project, number=1, options={})
        GeneratedCompletion.objects.create(generation=generation, completion=mine)
        told = write_sides(
            project=cast.project, comparison_set=model.comparison_set, generation=generation, directory=tmp_path
        )
        assert (told["what"], told["generation"], told["n"]) == ("generation", 1, 1)
        written = (tmp_path / "policy.jsonl").read_text()
        assert other.text not in written and '"language": ["en"]' in written

    def test_the_newest_of_models_where_no_policy_has_written(self, cast, model, tmp_path):
        write_completions(cast.project, 3, shout, SourceKind.SFT)
        make_prompt(cast.project, "A person's?", ["By hand"], SourceKind.HUMAN)
        told = write_sides(
            project=cast.project, comparison_set=model.comparison_set, generation=None, directory=tmp_path
        )
        assert (told["what"], told["n"]) == ("newest", 3)

    def test_what_the_comparison_set_has_is_left_out(self, cast, model, tmp_path):
        row = comparison_row(real_comparisons("pandalm")[0], 0)
        source = CompletionSource.objects.create(pool=cast.project.pool, name="p", kind=SourceKind.CURRENT_POLICY)
        prompt = Prompt.objects.create(
            pool=cast.project.pool, messages=row["prompt"], digest=row["prompt_digest"], excerpt="x"
        )
        for text in (row["chosen"][0]["content"], "Something new"):
            Completion.objects.create(prompt=prompt, source=source, text=text, digest=sha256(text))
        told = write_sides(
            project=cast.project, comparison_set=model.comparison_set, generation=None, directory=tmp_path
        )
        assert told["n"] == 1
        assert "Something new" in (tmp_path / "policy.jsonl").read_text()

    def test_only_the_training_split_stands_for_the_other_side(self, cast, model, trained_on, tmp_path):
        import pyarrow.parquet as pq

        write_sides(project=cast.project, comparison_set=model.comparison_set, generation=None, directory=tmp_path)
        rows = pq.read_table(trained_on / "train-00000.parquet").to_pylist()
        texts = {(row["prompt_digest"], row[side][0]["content"]) for row in rows for side in ("chosen", "rejected")}
        assert len((tmp_path / "training.jsonl").read_text().splitlines()) == len(texts)


@pytest.mark.django_db
class TestNeedsRefresh:
    def finished(self, model, verdict: str, digest: str = "") -> DriftReport:
        report = create_drift_report(project=model.project, model=model)
        DriftReport.objects.filter(pk=report.pk).update(
            verdict=verdict,
            finished_at=timezone.now(),
            report={"compared": {"digest": digest or str(report.number)}},
        )
        return report

    @pytest.mark.parametrize(
        ("verdicts", "needs"),
        [
            ([], False),
            (["none"], False),
            (["some"], False),
            (["strong"], True),
            (["some", "some"], True),
            (["some", "none", "some"], False),
            (["strong", "none"], False),
            (["too_few"], False),
        ],
    )
    def test_strong_once_or_some_twice(self, cast, verdicts, needs):
        model = make_model(cast.project, RewardModelState.PROMOTED)
        for verdict in verdicts:
            self.finished(model, verdict)
        assert (needs_refresh(cast.project) is not None) == needs

    def test_the_same_completions_twice_are_one_finding(self, cast):
        model = make_model(cast.project, RewardModelState.PROMOTED)
        for _ in range(2):
            self.finished(model, "some", digest="same")
        assert needs_refresh(cast.project) is None

    def test_reports_on_other_models_do_not_count(self, cast):
        self.finished(make_model(cast.project), "strong")
        make_model(cast.project, RewardModelState.PROMOTED)
        assert needs_refresh(cast.project) is None


@pytest.mark.django_db
def test_a_verdict_comes_with_the_end(cast):
    report = create_drift_report(project=cast.project, model=make_model(cast.project))
    report.verdict = "strong"
    with pytest.raises(ValidationError):
        report.full_clean()
    with pytest.raises(IntegrityError, match="drift_reports_verdict_when_finished"), transaction.atomic():
        report.save()


@pytest.mark.django_db
def test_numbers_are_those_of_the_project(cast):
    model = make_model(cast.project)
    assert [create_drift_report(project=cast.project, model=model).number for _ in range(3)] == [1, 2, 3]


@pytest.mark.django_db
def test_a_model_without_weights_is_refused(cast):
    with pytest.raises(DomainError) as refusal:
        create_drift_report(project=cast.project, model=make_model(cast.project, RewardModelState.TRAINING))
    assert refusal.value.code == "not_trained"


@pytest.mark.django_db
class TestCommand:
    def run(self, *arguments: str) -> str:
        out = io.StringIO()
        call_command("drift", *arguments, stdout=out)
        return out.getvalue()

    def test_it_queues_a_report_on_the_promoted_model(self, cast):
        model = make_model(cast.project, RewardModelState.PROMOTED)
        assert "Drift report 1 of Helpfulness is queued" in self.run("--project", cast.project.slug)
        assert DriftReport.objects.get().reward_model == model

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--project", "nowhere"], "no project"),
            (["--project", "helpfulness"], "No reward model is in use"),
            (["--project", "helpfulness", "--model", "9"], "no reward model v9"),
            (["--project", "helpfulness", "--generation", "9"], "no generation 9"),
        ],
    )
    def test_it_says_what_is_missing(self, cast, arguments, says):
        with pytest.raises(CommandError, match=says):
            self.run(*arguments)
