"""The demo in the database: true to its counts, the same every time, and gone without a trace."""

import json
import stat
from collections import Counter
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from annotate.agreement.models import AgreementSnapshot
from annotate.comparisons.models import Assignment, AssignmentState, Comparison, ComparisonState
from annotate.comparisons.rules import ratings_wanted
from annotate.comparisons.services import lease
from annotate.jobs.services import enqueue
from annotate.projects.access import access_project
from annotate.projects.models import Capability, Project
from annotate.ratings.models import Rating
from tests.cast import make_user
from tests.training.reward.registered import make_model
from training.demo import seed as demo
from training.demo.simulator import true_utility
from training.sampling.models import SamplingRound

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now().replace(hour=15, minute=0)


def rows() -> dict[str, int]:
    """Rows of every table of ours."""
    models = [model for model in apps.get_models() if model.__module__.startswith(("annotate.", "training."))]
    return {model._meta.label: model._default_manager.count() for model in models}


@pytest.fixture
def seeded():
    demo.seed(now=NOW)
    return {project.axis: project for project in Project.objects.all()}


def test_it_is_true_to_its_counts(seeded):
    for project in seeded.values():
        assert project.is_demo
        said = Counter(Rating.objects.filter(project=project).values_list("comparison_id", "preferred"))
        held = Counter(Assignment.objects.filter(comparison__project=project).values_list("comparison_id", flat=True))
        states: Counter[str] = Counter()
        for one in Comparison.objects.filter(project=project):
            assert (one.n_a, one.n_b, one.n_ties) == tuple(said[one.pk, side] for side in ("a", "b", "tie"))
            assert one.n_taken == held[one.pk] == one.n_ratings
            wanted = ratings_wanted(
                minimum=project.min_ratings, maximum=project.max_ratings, n_a=one.n_a, n_b=one.n_b, n_ties=one.n_ties
            )
            if one.state != ComparisonState.ADJUDICATED:
                assert one.n_wanted == wanted
                assert (one.state == ComparisonState.COMPLETE) == (one.n_ratings >= wanted)
            states[one.state] += 1
        assert states["open"] > 30 and states["complete"] > 150 and states["adjudicated"] >= 3
    assert not Assignment.objects.exclude(state=AssignmentState.SUBMITTED).exists()


def test_every_page_has_something_to_show(seeded):
    project = seeded["helpfulness"]
    assert AgreementSnapshot.objects.filter(stale_since=None).count() == 2
    statistics = AgreementSnapshot.objects.get(project=project).statistics
    assert 0.2 < statistics["alpha_nominal"]["value"] < 0.8
    ratings = Rating.objects.filter(project=project)
    assert set(ratings.values_list("guideline_version__number", flat=True)) == {1, 2}
    assert not ratings.filter(created_at__gt=NOW).exists()
    assert not ratings.filter(created_at__lt=F("guideline_version__created_at")).exists()
    assert len(set(ratings.values_list("created_at__date", flat=True))) > 20
    assert Comparison.objects.filter(n_flags__gt=0).count() >= 6


def test_its_ratings_know_something_of_the_truth(seeded):
    right = total = 0
    rated = Comparison.objects.filter(project=seeded["helpfulness"], n_ratings__gte=3).exclude(n_a=F("n_b"))
    for one in rated.select_related("prompt", "a", "b"):
        gap = true_utility(one.prompt.messages, one.a.text) - true_utility(one.prompt.messages, one.b.text)
        right += (one.n_a > one.n_b) == (gap > 0)
        total += 1
    assert total > 500 and 0.75 < right / total < 0.98


def test_the_demo_labeller_finds_work(seeded):
    from annotate.accounts.models import User

    user = User.objects.get(email="labeller@demo.example")
    seat = access_project(user, "demo-helpfulness", Capability.LABEL)
    assert len(lease(seat=seat, n=5)) == 5


def test_sign_ins_are_for_the_owner_of_the_machine(seeded):
    path = Path(settings.VAR_DIR) / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    accounts = json.loads(path.read_text())
    assert [account["role"] for account in accounts] == ["owner", "researcher", "labeller"]
    assert all(len(account["password"]) >= 12 for account in accounts)


def test_a_second_seed_adds_nothing(seeded):
    before = rows()
    assert demo.seed() == {}
    assert rows() == before


def test_the_same_day_gives_the_same_demo(seeded):
    def content():
        return list(
            Rating.objects.order_by("comparison__a__digest", "comparison__b__digest", "labeller__name", "project__axis")
            .values_list("comparison__a__digest", "labeller__name", "preferred", "intensity", "active_ms", "created_at")
        )  # fmt: skip

    first = content()
    demo.remove()
    demo.seed(now=NOW)
    assert sorted(map(str, content())) == sorted(map(str, first))


def test_removal_leaves_nothing(capsys):
    other = make_user("somebody else")
    before = rows()
    demo.seed(now=NOW)
    project = Project.objects.get(axis="helpfulness")
    model = make_model(project, "promoted")
    SamplingRound.objects.create(project=project, number=1, reward_model=model, acquisition="random", budget=5, seed=1)
    call_command("demo", "remove", "--yes")
    assert rows() == before
    assert "Removed: 2 projects, 300 prompts" in capsys.readouterr().out
    assert not (Path(settings.VAR_DIR) / "demo.json").exists()
    other.refresh_from_db()


def test_it_stays_while_a_job_of_it_waits(seeded):
    enqueue(kind="refresh", title="Refresh 1", project=seeded["safety"], params={"number": 1}, created_by=None)
    with pytest.raises(demo.DemoInUse, match="Refresh 1 is queued"):
        demo.remove()
    assert Project.objects.count() == 2


def test_a_project_over_the_demos_prompts_keeps_them(seeded):
    from annotate.projects.services import create_project

    create_project(owner=make_user("somebody else"), name="Mine", pool=seeded["safety"].pool)
    assert demo.foreign_work() == ["the project 'Mine' uses the demo's prompts; it and the pool stay"]
    demo.remove()
    assert Project.objects.get().pool.prompts.count() == 300
