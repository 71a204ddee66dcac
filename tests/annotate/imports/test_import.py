"""Whole imports into real tables: counts, twice, crashes, roles, memory."""

import gzip
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User, UserKind
from annotate.comparisons.models import Assignment, Comparison
from annotate.comparisons.services import lease
from annotate.imports import services
from annotate.imports.models import Import
from annotate.imports.services import start_import, upload
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.services import claim, release
from annotate.jobs.tasks import run_claimed, run_job
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.ratings.models import Rating
from tests.real_data import real_data

# Committed, so that the heartbeat, which has a connection of its own, sees the job.
pytestmark = pytest.mark.django_db(transaction=True)


def row(number: int, *votes: tuple[str, int | None], **more) -> dict:
    return {
        "prompt": f"Question {number}?",
        "completions": [{"text": f"good {number}", "source": "m1"}, {"text": f"bad {number}", "source": "m2"}],
        "ratings": [{"labeller": name, "preferred": said} for name, said in votes],
    } | more


def write(path: Path, rows: list) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


def begin(project, path: Path, **options) -> Import:
    """Start an import whose job this test has, before a worker that an earlier test has left can take it."""
    with transaction.atomic():
        run = start_import(project=project, file_url=f"file://{path}", filename=path.name, **options)
        job = claim(job_id=run.job_id, worker="this test")
    assert job is not None
    run.job = job
    return run


def bring(project, path: Path, **options) -> Import:
    run = begin(project, path, **options)
    run_claimed(run.job)
    run.refresh_from_db()
    return run


def tables() -> dict[str, int]:
    models = (Prompt, Completion, CompletionSource, Comparison, Assignment, Rating, User)
    return {model.__name__: model.objects.count() for model in models}


def assert_counts_are_true(project) -> None:
    said = Counter(Rating.objects.filter(project=project).values_list("comparison_id", "preferred"))
    for one in Comparison.objects.filter(project=project):
        assert (one.n_a, one.n_b, one.n_ties) == tuple(said[one.pk, side] for side in ("a", "b", "tie"))


def test_ratings_go_to_the_side_they_mean(cast, tmp_path):
    path = write(tmp_path / "x.jsonl", [row(1, ("ann", 0), ("bob", 1), ("cem", None))])
    run = bring(cast.project, path)
    assert run.job.state == "succeeded" or Job.objects.get(pk=run.job_id).state == "succeeded"
    comparison = Comparison.objects.get()
    preferred = {r.labeller.name: r.preferred for r in Rating.objects.select_related("labeller")}
    good = "a" if comparison.a.text == "good 1" else "b"
    assert preferred == {"ann": good, "bob": {"a": "b", "b": "a"}[good], "cem": "tie"}
    assert {user.kind for user in User.objects.filter(name__in=["ann", "bob", "cem"])} == {UserKind.IMPORTED}
    assert_counts_are_true(cast.project)
    assert run.counts == {
        "rows": 1, "prompts": 1, "completions": 2, "comparisons": 1, "rankings": 0, "ratings": 3, "duplicates": 0,
        "other_axis": 0, "bad_rows": 0,
    }  # fmt: skip


def test_the_same_file_twice_adds_nothing(cast, tmp_path):
    rows = [row(i, ("ann", i % 2), ("bob", 0)) for i in range(30)]
    first = bring(cast.project, write(tmp_path / "x.jsonl", rows))
    before = tables()
    second = bring(cast.project, write(tmp_path / "renamed.jsonl", rows))
    assert tables() == before
    assert first.counts["ratings"] == 60
    assert second.counts == dict.fromkeys(services.NO_COUNTS, 0) | {"rows": 30, "duplicates": 30}
    assert_counts_are_true(cast.project)


def test_more_ratings_of_known_pairs_are_added(cast, tmp_path):
    bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0))]))
    assert Comparison.objects.get().state == "open"
    run = bring(cast.project, write(tmp_path / "y.jsonl", [row(1, ("ann", 0), ("bob", 0), ("cem", 0))]))
    assert run.counts["ratings"] == 2
    comparison = Comparison.objects.get()
    assert (comparison.n_ratings, comparison.n_taken, comparison.state) == (3, 3, "complete")


def test_imported_ratings_count_towards_those_that_are_wanted(cast, tmp_path):
    bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0), ("bob", 0))]))
    assert len(lease(seat=cast.seat(cast.labeller), n=3)) == 1
    assert lease(seat=cast.seat(cast.second_labeller), n=3) == []


def test_somebody_who_says_two_things_is_told(cast, tmp_path):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ("ann", 0)), row(1, ("ann", 1))]))
    (error,) = run.errors.all()
    assert (error.line, error.field) == (2, "ratings[0]")
    assert "ann has rated this pair otherwise already" in error.reason
    assert Rating.objects.count() == 1


def test_bad_rows_are_told_and_good_ones_go_in(cast, tmp_path):
    rows = [row(1, ("ann", 0)), "{broken", row(2, ("ann", 5)), {"prompt": "x"}, row(3, ("ann", 1)), row(4, prompt="")]
    run = bring(cast.project, write(tmp_path / "x.jsonl", rows))
    assert [(e.line, e.field) for e in run.errors.all()] == [
        (2, ""), (3, "ratings[0].preferred"), (4, "completions"), (6, "prompt"),
    ]  # fmt: skip
    assert (run.counts["rows"], run.counts["bad_rows"], run.counts["ratings"]) == (6, 4, 2)
    client = cast.client(cast.researcher)
    url = f"/api/v1/projects/helpfulness/imports/{run.pk}"
    assert [error["line"] for error in client.get(url).json()["errors"]] == [2, 3, 4, 6]
    csv = b"".join(client.get(f"{url}/errors.csv").streaming_content).decode()
    assert csv.splitlines()[0] == "line,field,reason" and len(csv.splitlines()) == 5


def test_a_formula_in_a_bad_row_stays_text(cast, tmp_path):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [row(1)]))
    run.errors.create(line=9, field="=1+1", reason="@cmd")
    answer = cast.client(cast.researcher).get(f"/api/v1/projects/helpfulness/imports/{run.pk}/errors.csv")
    assert b"9,'=1+1,'@cmd" in b"".join(answer.streaming_content)


def test_ratings_of_another_axis_stay_out(cast, tmp_path):
    ratings = [{"labeller": "ann", "preferred": 0, "axis": axis} for axis in ("safety", "helpfulness", "overall")]
    rows = [row(i, ratings=[rating]) for i, rating in enumerate(ratings)]
    run = bring(cast.project, write(tmp_path / "x.jsonl", rows))
    assert (run.counts["ratings"], run.counts["other_axis"], run.counts["comparisons"]) == (2, 1, 2)


def test_a_level_the_project_does_not_have_is_named(cast, tmp_path):
    cast.project.intensity_labels = ["much better", "better"]
    cast.project.save()
    ratings = [{"labeller": "ann", "preferred": 0, "intensity": 3}]
    run = bring(cast.project, write(tmp_path / "x.jsonl", [row(1, ratings=ratings)]))
    (error,) = run.errors.all()
    assert (error.field, error.reason) == ("ratings[0].intensity", "This project has 2 levels, got 3.")


def test_a_file_of_no_known_format_fails_with_what_it_holds(cast, tmp_path):
    run = bring(cast.project, write(tmp_path / "x.jsonl", [{"question": "?", "answer": "!"}]))
    job = Job.objects.get(pk=run.job_id)
    assert (job.state, job.error_code) == ("failed", "unknown_format")
    assert "found question, answer" in job.error_message


def test_an_import_that_was_cut_short_goes_on(cast, tmp_path, monkeypatch):
    monkeypatch.setattr(services, "BATCH_ROWS", 10)
    rows: list = [row(i, ("ann", 0), ("bob", i % 2)) for i in range(45)]
    rows[3] = "{broken"
    run = start_import(project=cast.project, file_url=f"file://{write(tmp_path / 'x.jsonl', rows)}", filename="x.jsonl")
    job = claim(job_id=run.job_id, worker="dies")
    context = JobContext(job)
    write_batch, n = services._Writer.write, 0

    def dies_in_the_third(self, parsed):
        nonlocal n
        n += 1
        write_batch(self, parsed)
        if n == 3:
            raise SystemExit("killed")

    monkeypatch.setattr(services._Writer, "write", dies_in_the_third)
    with pytest.raises(SystemExit):
        services.run_import(run=run, context=context)
    monkeypatch.setattr(services._Writer, "write", write_batch)
    run.refresh_from_db()
    assert run.counts["rows"] == 20, "the third batch was rolled back"
    job.refresh_from_db()
    release(job=job)
    run_job(str(run.job_id))
    run.refresh_from_db()
    assert (run.counts["rows"], run.counts["ratings"], run.counts["bad_rows"]) == (45, 88, 1)
    assert Rating.objects.count() == 88
    assert_counts_are_true(cast.project)


def test_a_batch_takes_the_same_number_of_queries_whatever_is_in_it(cast, tmp_path):
    def queries(n, n_votes):
        rows = [row(1000 * n_votes + i, *((f"l{v}-{n}", 0) for v in range(n_votes))) for i in range(n)]
        path = write(tmp_path / f"{n}-{n_votes}.jsonl", rows)
        with CaptureQueriesContext(connection) as captured:
            bring(cast.project, path)
        return len(captured)

    queries(1, 1)
    few, many = queries(5, 2), queries(200, 3)
    assert many <= few + 3, (few, many)


# --- authors --------------------------------------------------------------------------------------------------------
def by(author: str | None, number: int = 1) -> dict:
    """A row whose first completion somebody wrote."""
    return row(number, completions=[{"text": f"mine {number}", "author": author}, {"text": f"theirs {number}"}])


@pytest.mark.parametrize("name", ["email", "pseudonym"])
def test_a_labeller_is_never_asked_about_what_they_wrote(cast, tmp_path, name):
    author = getattr(cast.labeller, name)
    bring(cast.project, write(tmp_path / "x.jsonl", [by(f" {author.swapcase()}"), row(2)]))
    assert Completion.objects.get(text="mine 1").author == cast.labeller
    assert Completion.objects.get(text="theirs 1").author is None
    questions = [one.comparison.prompt.excerpt for one in lease(seat=cast.seat(cast.labeller), n=5)]
    assert questions == ["Question 2?"]
    assert len(lease(seat=cast.seat(cast.second_labeller), n=5)) == 2


@pytest.mark.parametrize("who", ["nobody@example.org", "outsider", "L-XXXXXXXX"])
def test_an_author_who_is_no_member_is_told(cast, tmp_path, who):
    who = cast.outsider.email if who == "outsider" else who
    run = bring(cast.project, write(tmp_path / "x.jsonl", [by(who), by(None, 2)]))
    (error,) = run.errors.all()
    assert (error.line, error.field) == (1, "completions[0].author")
    assert error.reason == f"No member of this project has the e-mail or pseudonym {who}."
    assert set(Completion.objects.values_list("text", flat=True)) == {"mine 2", "theirs 2"}


def test_an_author_that_a_later_file_names_is_noted_and_the_first_one_stays(cast, tmp_path):
    bring(cast.project, write(tmp_path / "x.jsonl", [by(None)]))
    run = bring(cast.project, write(tmp_path / "y.jsonl", [by(cast.labeller.email)]))
    assert Completion.objects.get(text="mine 1").author == cast.labeller
    assert (run.counts["completions"], run.counts["duplicates"]) == (0, 1)
    bring(cast.project, write(tmp_path / "z.jsonl", [by(cast.second_labeller.email)]))
    assert Completion.objects.get(text="mine 1").author == cast.labeller


def test_an_author_that_only_the_second_row_of_a_batch_names_is_noted(cast, tmp_path):
    bring(cast.project, write(tmp_path / "x.jsonl", [by(None), by(cast.labeller.email)]))
    assert Completion.objects.get(text="mine 1").author == cast.labeller


# --- real data ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "axis", "n_labellers"), [("pandalm", "overall", 3), ("xstest_pairs", "helpfulness", 2)]
)
def test_real_ratings_arrive_as_the_file_has_them(cast, name, axis, n_labellers):
    path = real_data(f"{name}.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    # Two models that say the same leave nothing to compare; two that say the same as two others make one comparison,
    # whose labellers may have said two things.
    told = [one for one in rows if one["completions"][0]["text"] != one["completions"][1]["text"]]
    first_votes: dict[tuple, int | None] = {}
    for one in told:
        pair = (str(one["prompt"]), *sorted(side["text"] for side in one["completions"]))
        for vote in one["ratings"]:
            if vote["axis"] == axis:
                first_votes.setdefault((*pair, vote["labeller"]), vote["preferred"])
    run = bring(cast.project, path)
    assert Job.objects.get(pk=run.job_id).state == "succeeded"
    assert run.counts["rows"] == len(rows)
    assert run.errors.filter(reason="The same text as completions[0].").count() == len(rows) - len(told)
    contradicting = run.errors.filter(reason__contains="has rated this pair otherwise already")
    contradictions = contradicting.values("line").distinct().count()
    assert contradictions + len(rows) - len(told) == run.counts["bad_rows"] <= 0.02 * len(rows)
    assert run.counts["ratings"] == Rating.objects.count() == len(first_votes)
    assert run.counts["other_axis"] == sum(vote["axis"] != axis for one in told for vote in one["ratings"])
    assert Rating.objects.filter(preferred="tie").count() == list(first_votes.values()).count(None)
    assert User.objects.filter(kind=UserKind.IMPORTED).count() == n_labellers
    assert_counts_are_true(cast.project)


# --- the ways in ----------------------------------------------------------------------------------------------------
def test_a_file_is_uploaded_imported_and_forgotten(cast, tmp_path, django_capture_on_commit_callbacks):
    content = "prompt,chosen,rejected\nWhy?,Because.,No.\nHow?,So.,Thus.\n"
    body = {"file": SimpleUploadedFile("a b;.csv", content.encode()), "source_name": "human file"}
    answer = cast.client(cast.researcher).post("/api/v1/projects/helpfulness/imports", body)
    assert answer.status_code == 201, answer.json()
    run = Import.objects.get(pk=answer.json()["id"])
    stored = Path(run.file_url.removeprefix("file://"))
    assert stored.read_text() == content
    run_job(str(run.job_id))
    run.refresh_from_db()
    assert (run.format, run.counts["ratings"]) == ("chosen_rejected", 2)
    assert CompletionSource.objects.get().name == "human file"
    assert not stored.parent.exists()


def test_a_file_of_another_kind_is_refused(cast):
    body = {"file": SimpleUploadedFile("x.docx", b"x")}
    answer = cast.client(cast.researcher).post("/api/v1/projects/helpfulness/imports", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_file")


def test_a_file_that_is_too_large_is_refused(cast, settings):
    settings.UPLOAD_MAX_BYTES = 3
    body = {"file": SimpleUploadedFile("x.jsonl", b"12345")}
    answer = cast.client(cast.researcher).post("/api/v1/projects/helpfulness/imports", body)
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


def test_a_worker_takes_it_in(cast, celery_workers, tmp_path):
    from annotate.common.processes import wait_until

    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row(i, ("ann", 0))) + "\n" for i in range(700)).encode()))
    run = upload(
        project=cast.project,
        file=SimpleUploadedFile(path.name, path.read_bytes()),
        format="auto",
        source_name="",
        source_kind="external",
        created_by=cast.researcher,
    )
    assert wait_until(lambda: Job.objects.get(pk=run.job_id).is_finished, 60, 0.1)
    run.refresh_from_db()
    assert run.counts["ratings"] == Rating.objects.count() == 700


def test_the_command_says_what_it_did(cast, tmp_path):
    path = write(tmp_path / "x.jsonl", [row(1, ("ann", 0)), "{broken", row(2)])
    out = io.StringIO()
    call_command("import", str(path), "--project", "helpfulness", stdout=out)
    assert "3 rows, 2 prompts, 4 completions, 2 comparisons, 1 ratings, 1 bad rows." in " ".join(out.getvalue().split())
    assert "line 2, row: Not JSON" in out.getvalue()
    assert path.exists(), "a file that was not uploaded is left where it is"
    with pytest.raises(CommandError, match="there are: helpfulness"):
        call_command("import", str(path), "--project", "nobody")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import", str(tmp_path / "none.jsonl"), "--project", "helpfulness")


# --- projects that rank ---------------------------------------------------------------------------------------------
def many(number: int, n: int, **more) -> dict:
    return {"prompt": f"Question {number}?", "completions": [f"text {i} to {number}" for i in range(n)]} | more


def test_a_project_that_ranks_gets_rankings_instead_of_pairs(cast, tmp_path):
    cast.project.ranking_size = 4
    cast.project.save()
    rows = [row(4, ("ann", 0)), many(1, 6), many(2, 2), many(3, 3), many(5, 4)]
    run = bring(cast.project, write(tmp_path / "x.jsonl", rows))
    assert Job.objects.get(pk=run.job_id).state == "succeeded", run.errors.all()
    assert (run.counts["rankings"], run.counts["comparisons"], run.counts["ratings"]) == (3, 1, 1)
    assert sorted(one.items.count() for one in cast.project.rankings.all()) == [3, 4, 4]
    again = bring(cast.project, write(tmp_path / "y.jsonl", rows))
    assert again.counts == dict.fromkeys(services.NO_COUNTS, 0) | {"rows": 5, "duplicates": 5}


def test_completions_that_come_in_several_rows_are_ranked_together(cast, tmp_path):
    cast.project.ranking_size = 9
    cast.project.save()
    rows = [{"prompt": "Why?", "completions": [f"text {i}", f"text {i + 1}"]} for i in range(4)]
    run = bring(cast.project, write(tmp_path / "x.jsonl", rows))
    assert run.counts["rankings"] == 1
    assert cast.project.rankings.get().items.count() == 5
