"""The demo in the database: true to its counts, the same every time, and gone without a trace."""

import io
import json
import stat
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from annotate.accounts.models import User, UserKind
from annotate.accounts.services import external_users
from annotate.agreement.models import AgreementSnapshot
from annotate.comparisons.models import Assignment, AssignmentKind, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.rules import anonymous_votes, ratings_wanted
from annotate.comparisons.services import lease
from annotate.guidelines.models import QualificationAttempt, WorkedExample
from annotate.guidelines.selectors import Standing, standing
from annotate.imports.models import Import
from annotate.jobs.models import Job, JobState
from annotate.jobs.services import claim, enqueue, log
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.access import access_project
from annotate.projects.models import Capability, Membership, Project, Role
from annotate.projects.services import create_project, invite
from annotate.ratings.models import Adjudication, Flag, Rating
from annotate.ratings.selectors import counted
from annotate.ratings.services import Judgement, submit
from tests.cast import make_user
from tests.training.reward.registered import make_model
from training import artifacts
from training.demo import removal
from training.demo import seed as demo
from training.demo.simulator import LABELLERS, true_utility, utility
from training.policy.models import Checkpoint
from training.refresh.models import RefreshCycle, RefreshStage
from training.sampling.models import SampledComparison, SamplingRound

NOW = timezone.now().replace(hour=15, minute=0)
SIGN_INS = Path(settings.VAR_DIR) / "demo.json"


def rows() -> dict[str, int]:
    """Rows of every table, by model."""
    return {model._meta.label: model._default_manager.count() for model in apps.get_models(include_auto_created=True)}


def judgements() -> Counter[tuple]:
    """All that was said, without the times."""
    return Counter(
        Rating.objects.values_list(
            "project__axis", "comparison__a__digest", "comparison__b__digest", "labeller__name", "preferred",
            "intensity", "active_ms", "justification", "assignment__first", "guideline_version__number",
        )
    )  # fmt: skip


@pytest.mark.django_db
class TestSeeded:
    """One demo for all of these: what a test changes is rolled back."""

    @pytest.fixture(scope="class", autouse=True)
    def made(self, django_db_setup, django_db_blocker):
        with django_db_blocker.unblock():
            made = demo.seed(now=NOW)
        yield made
        with django_db_blocker.unblock():
            call_command("flush", interactive=False, verbosity=0)
        SIGN_INS.unlink()

    @pytest.fixture
    def projects(self):
        return {project.axis: project for project in Project.objects.all()}

    def test_it_makes_two_marked_projects_over_one_pool(self, projects):
        assert set(projects) == {"helpfulness", "safety"}
        assert len({project.pool_id for project in projects.values()}) == 1
        assert all(project.is_demo and project.name.startswith("Demo: ") for project in projects.values())
        client = APIClient()
        client.force_authenticate(User.objects.get(email="labeller@demo.example"))
        assert client.get("/api/v1/projects/demo-safety").json()["is_demo"] is True

    def test_it_says_what_it_made(self, made):
        assert made == demo.summary()
        assert made["prompts"] == 300
        assert made["simulated labellers"] == 8 and made["accounts"] == 4
        assert made["comparisons"] > 950 and made["ratings"] > 2500

    def test_prompts_have_four_to_six_completions_of_several_sources(self):
        n_completions = Counter(Completion.objects.values_list("prompt", flat=True))
        assert len(n_completions) == 300
        assert all(3 <= n <= 6 for n in n_completions.values())
        assert sum(n >= 4 for n in n_completions.values()) > 290
        kinds = set(CompletionSource.objects.values_list("kind", flat=True))
        assert kinds >= {"sft", "early_policy", "current_policy", "adversarial", "random"}
        assert len({tags[0] for tags in Prompt.objects.values_list("tags", flat=True)}) >= 12

    def test_its_labellers_are_nobody_who_could_sign_in(self):
        users = User.objects.filter(kind=UserKind.SIMULATED)
        assert {user.name for user in users} == {labeller.name for labeller in LABELLERS}
        assert not any(user.is_active or user.email or user.has_usable_password() for user in users)

    @pytest.mark.parametrize("axis", ["helpfulness", "safety"])
    def test_counts_are_those_of_the_current_ratings(self, projects, axis):
        project = projects[axis]
        said = Counter(counted(Rating.objects.filter(project=project)).values_list("comparison_id", "preferred"))
        taken = Assignment.objects.filter(comparison__project=project).exclude(kind=AssignmentKind.REPEAT)
        held = Counter(taken.values_list("comparison_id", flat=True))
        flags = Counter(
            Flag.objects.filter(comparison__project=project, resolved_at=None).values_list("comparison_id", flat=True)
        )
        settled = set(Adjudication.objects.filter(comparison__project=project).values_list("comparison_id", flat=True))
        states: Counter[str] = Counter()
        for one in Comparison.objects.filter(project=project):
            assert (one.n_a, one.n_b, one.n_ties) == tuple(said[one.pk, side] for side in ("a", "b", "tie"))
            assert one.n_taken == held[one.pk] == one.n_ratings
            assert one.n_flags == flags[one.pk]
            assert (one.state == ComparisonState.CLOSED) == (one.gold_preferred is not None)
            if one.gold_preferred is not None:  # mixed into everybody's work, however many have answered
                continue
            wanted = ratings_wanted(
                minimum=project.min_ratings,
                maximum=project.max_ratings,
                confidence=project.stop_confidence,
                votes=anonymous_votes(one.n_a, one.n_b, one.n_ties),
                ties_allowed=project.ties_allowed,
            )
            assert one.n_wanted == wanted
            assert (one.state == ComparisonState.OPEN) == (one.n_ratings < wanted)
            assert (one.state == ComparisonState.ADJUDICATED) == (one.pk in settled)
            states[one.state] += 1
        assert states["open"] > 30 and states["complete"] > 150 and states["adjudicated"] >= 3
        assert not Assignment.objects.exclude(state=AssignmentState.SUBMITTED).exists()

    def test_both_guidelines_have_ratings_and_they_changed_between_them(self, projects):
        ratings = Rating.objects.filter(project=projects["helpfulness"])
        n_each = Counter(ratings.values_list("guideline_version__number", flat=True))
        assert set(n_each) == {1, 2} and min(n_each.values()) > 1000
        assert not Rating.objects.filter(created_at__lt=F("guideline_version__created_at")).exists()
        second = ratings.filter(guideline_version__number=2).earliest("created_at").guideline_version
        first = ratings.filter(guideline_version__number=1)
        assert first.latest("created_at").created_at < second.created_at + timedelta(days=1)

    def test_worked_examples_are_taken_out_of_the_text(self, projects):
        examples = list(WorkedExample.objects.select_related("version__project"))
        assert len(examples) == 5
        for example in examples:
            axis = example.version.project.axis
            assert "Worked examples" not in example.version.body and example.prompt not in example.version.body
            prompt = [{"role": "user", "content": example.prompt}]
            gap = utility(axis, prompt, example.completion_a) - utility(axis, prompt, example.completion_b)
            assert (gap > 0) == (example.preferred == "a")
        assert {example.intensity for example in examples} == {2, 3, 4}
        body = projects["helpfulness"].guideline_versions.get(number=2).body
        assert body.endswith("Neither counts against you.\n") and "\n## When something is wrong" in body

    def test_ratings_are_spread_over_five_weeks_of_working_hours(self):
        times = list(Rating.objects.values_list("created_at", flat=True))
        assert len({time.date() for time in times}) >= 34
        assert all(7 <= time.hour <= 17 for time in times)
        assert max(times) < NOW and min(times) > NOW - timedelta(days=demo.DAYS + 2)
        assert not Assignment.objects.filter(created_at__gte=F("ratings__created_at")).exists()

    def test_ratings_have_what_people_leave_behind(self):
        ratings = Rating.objects.all()
        n = ratings.count()
        assert 0.1 < ratings.exclude(justification="").count() / n < 0.3
        assert not ratings.filter(active_ms=None).exists()
        assert 0.47 < Assignment.objects.filter(first="a").count() / Assignment.objects.count() < 0.53
        assert ratings.filter(preferred="tie").exists()
        corrections = list(ratings.exclude(supersedes=None).select_related("supersedes"))
        assert len(corrections) >= 3
        for correction in corrections:
            assert correction.assignment_id == correction.supersedes.assignment_id
            assert correction.preferred != correction.supersedes.preferred
            assert correction.created_at > correction.supersedes.created_at

    @pytest.mark.parametrize("axis", ["helpfulness", "safety"])
    def test_labellers_were_measured_by_known_answers_and_repeats(self, projects, axis):
        mixed_in = Assignment.objects.filter(comparison__project=projects[axis])
        gold = mixed_in.filter(kind=AssignmentKind.GOLD)
        n_gold = projects[axis].comparisons.filter(gold_preferred__isnull=False).count()
        assert gold.count() == 8 * n_gold >= 8 * 5
        n_right = gold.filter(ratings__preferred=F("comparison__gold_preferred")).count()
        assert 0.75 < n_right / gold.count() < 1
        repeats = list(mixed_in.filter(kind=AssignmentKind.REPEAT).select_related("comparison"))
        assert len(repeats) == 8 * demo.N_REPEATS
        for again in repeats:
            before = again.comparison.assignments.get(labeller=again.labeller, kind=AssignmentKind.REGULAR)
            assert {before.first, again.first} == {"a", "b"} and before.created_at < again.created_at
            assert again.ratings.get().is_repeat

    def test_flags_are_by_raters_and_some_are_settled(self, projects):
        for project in projects.values():
            flags = Flag.objects.filter(comparison__project=project)
            assert flags.count() >= 4 and flags.filter(resolved_at=None).count() >= 3
            verdicts = set(Adjudication.objects.filter(comparison__project=project).values_list("verdict", flat=True))
            assert "invalid" in verdicts and verdicts & {"a", "b"}
        for flag in Flag.objects.all():
            mine = Rating.objects.filter(comparison=flag.comparison, labeller=flag.labeller)
            assert flag.created_at in mine.values_list("created_at", flat=True)
        for settled in Adjudication.objects.select_related("comparison", "reviewer"):
            assert settled.reviewer.email == "reviewer@demo.example"
            last = settled.comparison.ratings.latest("created_at").created_at
            assert last <= settled.created_at <= NOW

    @pytest.mark.parametrize("axis", ["helpfulness", "safety"])
    def test_its_agreement_is_there_and_plausible(self, projects, axis):
        snapshot = AgreementSnapshot.objects.get(project=projects[axis])
        assert snapshot.stale_since is None and snapshot.computed_at is not None
        assert 0.15 < snapshot.statistics["alpha_nominal"]["value"] < 0.8
        assert snapshot.statistics["n_labellers"] == 8
        assert snapshot.counts["ratings"] == Rating.objects.filter(project=projects[axis]).count()

    def test_its_ratings_know_something_of_the_truth(self, projects):
        right = total = 0
        rated = Comparison.objects.filter(project=projects["helpfulness"], n_ratings__gte=3).exclude(n_a=F("n_b"))
        for one in rated.select_related("prompt", "a", "b"):
            gap = true_utility(one.prompt.messages, one.a.text) - true_utility(one.prompt.messages, one.b.text)
            right += (one.n_a > one.n_b) == (gap > 0)
            total += 1
        assert total > 500 and 0.75 < right / total < 0.98

    @pytest.mark.parametrize("slug", ["demo-helpfulness", "demo-safety"])
    def test_the_demo_labeller_finds_work(self, slug):
        user = User.objects.get(email="labeller@demo.example")
        assert len(lease(seat=access_project(user, slug, Capability.LABEL), n=20)) == 20

    def test_the_quiz_is_there_and_everybody_has_passed_it(self, projects):
        for project in projects.values():
            current = project.guideline_versions.order_by("-number").first()
            n_asked, n_shown = (current.examples.filter(in_quiz=asked).count() for asked in (True, False))
            assert n_asked >= 1 and n_shown >= 1
            members = [membership.user for membership in project.memberships.select_related("user")]
            assert len(members) == 12
            assert {standing(user, project) for user in members} == {Standing.OK}
            assert standing(make_user(f"newcomer to {project.slug}"), project) == Standing.MUST_PASS

    def test_every_role_can_sign_in(self):
        assert stat.S_IMODE(SIGN_INS.stat().st_mode) == 0o600
        accounts = json.loads(SIGN_INS.read_text())
        assert [account["role"] for account in accounts] == ["owner", "reviewer", "researcher", "labeller"]
        for account in accounts:
            assert len(account["password"]) >= 12
            user = User.objects.get(email=account["email"])
            assert user.check_password(account["password"])
            assert list(user.memberships.values_list("role", flat=True)) == [account["role"]] * 2

    def test_a_second_seed_adds_nothing(self, capsys):
        before, passwords = rows(), SIGN_INS.read_text()
        assert demo.seed() == {}
        call_command("demo", "seed")
        assert "there already" in capsys.readouterr().out
        assert rows() == before and SIGN_INS.read_text() == passwords

    def test_status_counts_it(self, capsys):
        call_command("demo", "status")
        out = capsys.readouterr().out
        assert "The demo: 2 projects, 300 prompts" in out and str(SIGN_INS) in out and "Note" not in out


@pytest.fixture
def _no_sign_ins_left():
    yield
    SIGN_INS.unlink(missing_ok=True)


FEW = tuple(
    replace(project, pairs_per_prompt={"plain": 2, "care": 2, "decline": 2}, n_prompts=60) for project in demo.PROJECTS
)


def seed_few(**options) -> None:
    """A demo of few comparisons, for what does not depend on their number."""
    demo.seed(wanted=FEW, **{"now": NOW, **options})


@pytest.mark.usefixtures("_no_sign_ins_left", "db")
class TestSeeding:
    def test_the_hour_changes_no_judgement(self):
        said = []
        for hour in (0, 9, 23):
            seed_few(now=NOW.replace(hour=hour))
            assert not Rating.objects.filter(created_at__gt=NOW.replace(hour=hour)).exists()
            said.append(judgements())
            removal.remove()
        assert said[0].total() > 500
        assert all(one == other for one, other in pairwise(said))

    def test_the_same_moment_gives_the_same_times(self):
        times = []
        for _ in range(2):
            seed_few()
            times.append(sorted(Rating.objects.values_list("labeller__name", "created_at")))
            removal.remove()
        assert times[0] == times[1]

    def test_it_leaves_a_project_alone_that_has_its_address(self):
        mine = create_project(owner=make_user("somebody else"), name="Mine", slug="demo-safety")
        assert not demo.is_seeded()
        seed_few()
        assert set(Project.objects.filter(is_demo=True).values_list("slug", flat=True)) == {
            "demo-helpfulness",
            "demo-safety-2",
        }
        removal.remove()
        assert list(Project.objects.all()) == [mine]


def use(project: Project) -> None:
    """Leave in the project what people leave there: models, rounds, refreshes, imports, invitations, jobs, tokens."""
    owner = User.objects.get(email="owner@demo.example")
    job = enqueue(kind="refresh", title="Refresh 1", project=project, params={}, created_by=owner)
    claimed = claim(job_id=job.pk, worker="test")
    assert claimed is not None
    log(job=claimed, message="begun")
    Job.objects.filter(pk=job.pk).update(state=JobState.SUCCEEDED, claim=None, finished_at=timezone.now())
    make_model(project, "retired", job=job)
    model = make_model(project, "promoted", job=job, created_by=owner)
    comparison_set = model.comparison_set
    round_ = SamplingRound.objects.create(
        project=project, number=1, reward_model=model, acquisition="random", budget=5, seed=1, job=job
    )
    for rank, comparison in enumerate(project.comparisons.all()[:5]):
        SampledComparison.objects.create(sampling_round=round_, comparison=comparison, rank=rank, is_random=True)
    cycle = RefreshCycle.objects.create(
        project=project, number=1, state="succeeded", finished_at=timezone.now(), job=job,
        comparison_set=comparison_set, reward_model=model, sampling_round=round_, created_by=owner,
    )  # fmt: skip
    RefreshStage.objects.create(cycle=cycle, position=0, name="export")
    base = Checkpoint.objects.create(pool=project.pool, name=f"base {project.pk}", kind="base", path="/tmp/b", job=job)
    Checkpoint.objects.create(
        pool=project.pool, name=f"sft {project.pk}", kind="sft", path="/tmp/s", parent=base, job=job
    )
    url = artifacts.artifact_url("imports", "0-0", "more.csv")
    artifacts.write_file(url, b"prompt,chosen,rejected\n")
    run = Import.objects.create(project=project, job=job, filename="more.csv", file_url=url, created_by=owner)
    run.errors.create(line=1, reason="empty")
    external_users(namespace=project.slug, names={"ann"}, kind=UserKind.IMPORTED)
    invite(project=project, email="new@example.org", role=Role.LABELLER, invited_by=owner)
    artifacts.write_file(artifacts.artifact_url("reward-models", project.slug, "v1", "model.safetensors"), b"0")
    artifacts.run_directory(job.pk, "train")


def runs() -> set[str]:
    """Run directories of jobs, also what other tests' killed workers have left."""
    directory = Path(settings.VAR_DIR) / "runs"
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def rate_something(user: User, project: Project) -> None:
    seat = access_project(user, project.slug, Capability.LABEL)
    (assignment,) = lease(seat=seat, n=1)
    (outcome,) = submit(seat=seat, judgements=[Judgement(uuid.uuid4(), assignment.pk, "first", 3)])
    assert outcome.status == "accepted"


@pytest.mark.usefixtures("_no_sign_ins_left")
@pytest.mark.django_db(transaction=True)
class TestRemoval:
    def test_it_leaves_nothing(self, capsys):
        other = make_user("somebody else")
        theirs = create_project(owner=other, name="Theirs")
        before, runs_before = rows(), runs()
        seed_few()
        for project in Project.objects.filter(is_demo=True):
            use(project)
            rate_something(User.objects.get(email="labeller@demo.example"), project)
        assert len(runs()) == len(runs_before) + 2
        filled = rows()
        missing = {
            name for name, n in filled.items() if not n and name.startswith(("pool.", "ratings.", "comparisons."))
        }
        assert not missing, "nothing is proved of an empty table"
        call_command("demo", "remove", "--yes")
        assert rows() == before
        out = capsys.readouterr().out
        assert "Removed: 2 projects, 300 prompts" in out and "4 accounts" in out and "4 reward models" in out
        assert not SIGN_INS.exists()
        assert runs() == runs_before
        for parts in (("imports", "0-0"), ("reward-models", "demo-safety")):
            filesystem, path = artifacts.open_filesystem(artifacts.artifact_url(*parts))
            assert not filesystem.exists(path)
        theirs.refresh_from_db()

    def test_it_asks(self, monkeypatch, capsys):
        seed_few()
        for typed in ("n\n", "\n", ""):
            monkeypatch.setattr("sys.stdin", io.StringIO(typed))
            call_command("demo", "remove")
        assert capsys.readouterr().out.count("Nothing was removed.") == 3
        assert demo.is_seeded()
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        call_command("demo", "remove")
        assert not demo.is_seeded()
        call_command("demo", "remove")
        assert "There is no demo here" in capsys.readouterr().out

    def test_it_cancels_what_waits_and_outwaits_what_runs(self):
        seed_few()
        project = Project.objects.get(axis="safety")
        waiting = enqueue(kind="refresh", title="Refresh 1", project=project, params={}, created_by=None)
        running = enqueue(kind="refresh", title="Refresh 2", project=project, params={}, created_by=None)
        claim(job_id=running.pk, worker="test")
        removal.remove(patience_s=0.3)
        assert not Job.objects.filter(pk__in=[waiting.pk, running.pk]).exists()
        assert not demo.is_seeded()

    def test_it_stops_before_the_work_of_others(self, capsys):
        seed_few()
        project = Project.objects.get(axis="helpfulness")
        guest = make_user("guest")
        Membership.objects.create(project=project, user=guest, role=Role.LABELLER)
        version = project.guideline_versions.latest("number")
        QualificationAttempt.objects.create(labeller=guest, version=version, passed=True)
        rate_something(guest, project)
        Prompt.objects.create(
            pool=project.pool, messages=[{"role": "user", "content": "?"}], digest="0" * 64, excerpt="?"
        )
        with pytest.raises(CommandError, match="demo remove --yes"):
            call_command("demo", "remove")
        out = capsys.readouterr().out
        assert "Note: 1 ratings by people with accounts of their own." in out
        assert "Note: 1 prompts that were added to its own." in out
        assert demo.is_seeded()
        call_command("demo", "remove", "--yes")
        assert not demo.is_seeded() and not Prompt.objects.exists()
        guest.refresh_from_db()

    def test_a_project_over_the_demos_prompts_keeps_them(self, capsys):
        seed_few()
        pool = Project.objects.get(axis="safety").pool
        mine = create_project(owner=make_user("somebody else"), name="Mine", pool=pool)
        with pytest.raises(CommandError):
            call_command("demo", "remove")
        assert "the project 'Mine' uses the demo's prompts: it stays, and so do they" in capsys.readouterr().out
        gone = removal.remove()
        assert gone["prompts"] == 0 and gone["projects"] == 2
        assert list(Project.objects.all()) == [mine]
        assert pool.prompts.count() == 300

    def test_a_demo_person_with_a_project_stays_and_can_be_of_the_next_demo(self):
        seed_few()
        owner = User.objects.get(email="owner@demo.example")
        create_project(owner=owner, name="Olga's own")
        assert removal.work_of_others() == ['owner@demo.example belongs to the project "Olga\'s own" and stays']
        assert removal.remove()["accounts"] == 3
        assert [account["email"] for account in json.loads(SIGN_INS.read_text())] == [owner.email]
        seed_few()
        password = json.loads(SIGN_INS.read_text())[0]["password"]
        assert User.objects.get(pk=owner.pk).check_password(password)
