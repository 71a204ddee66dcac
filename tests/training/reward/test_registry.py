import json
import threading
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from annotate.common.errors import DomainError
from annotate.projects.models import AuditEvent
from tests.training.reward.registered import make_model
from training.artifacts import open_filesystem
from training.reward import registry
from training.reward.models import ModelComparison, Promotion, PromotionRules, RewardModel, RewardModelState
from training.reward.services import (
    change_rules,
    promote,
    promote_by_hand,
    promote_by_rule,
    promoted_model,
    retire,
    roll_back,
)
from training.reward.standing import Standing


def registered() -> list[dict]:
    return json.loads(Path(open_filesystem(registry.registry_url())[1]).read_text())["models"]


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_promoting_writes_the_scorers_registry(cast, on_commit):
    model = make_model(cast.project)
    with on_commit():
        promote(model=model, reason="because", actor=None)
    assert registered() == [{"name": cast.project.slug, "version": 1, "path": "/tmp/models/v1", "state": "promoted"}]
    model.refresh_from_db()
    assert (model.state, model.state_reason) == ("promoted", "because")
    assert model.promoted_at is not None


def test_promoting_a_second_one_retires_the_first(cast, on_commit):
    first, second = make_model(cast.project), make_model(cast.project)
    with on_commit():
        promote(model=first, reason="first", actor=None)
        promote(model=second, reason="second", actor=None)
    first.refresh_from_db()
    assert (first.state, first.state_reason) == ("retired", "Replaced by v2.")
    assert promoted_model(cast.project) == second
    assert [entry["version"] for entry in registered()] == [2]


def test_a_retired_one_can_be_put_back(cast, on_commit):
    first, second = make_model(cast.project), make_model(cast.project)
    with on_commit():
        promote(model=first, reason="first", actor=None)
        promote(model=second, reason="second", actor=None)
        promote(model=first, reason="v2 is worse on safety", actor=None)
    assert [entry["version"] for entry in registered()] == [1]
    second.refresh_from_db()
    assert second.state == "retired"


def test_retiring_takes_it_out_of_the_registry(cast, on_commit):
    model = make_model(cast.project)
    with on_commit():
        promote(model=model, reason="x", actor=None)
    with on_commit():
        retire(model=model, reason="labels were wrong", actor=None)
    assert registered() == []
    with pytest.raises(DomainError, match="only a trained model"):
        retire(model=model, reason="again", actor=None)


def test_one_that_is_not_trained_cannot_be_promoted(cast):
    with pytest.raises(DomainError) as refusal:
        promote(model=make_model(cast.project, RewardModelState.TRAINING), reason="x", actor=None)
    assert refusal.value.code == "not_trained"


def test_a_candidate_that_the_rule_refuses_stays_one_with_the_reason(cast):
    model = make_model(cast.project, report={"accuracy": {"value": 0.55, "low": 0.4, "high": 0.7, "n": 40}})
    assert not promote_by_rule(model=model).promote
    assert model.state == "candidate" and "coin toss" in model.state_reason


def test_promoting_by_rule_again_changes_nothing(cast):
    model = make_model(cast.project, report={"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 90}})
    promote_by_rule(model=model)
    promoted_at = model.promoted_at
    assert promoted_at is not None
    promote_by_rule(model=model)
    assert model.promoted_at == promoted_at


GOOD = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 90}}
WORSE = {"accuracy": {"value": 0.55, "low": 0.4, "high": 0.7, "n": 90}}


def promoted_in_order(cast, n: int = 3) -> list[RewardModel]:
    models = [make_model(cast.project, report=GOOD) for _ in range(n)]
    for model in models:
        promote(model=model, reason=f"number {model.version}", actor=None)
    return models


def test_rolling_back_goes_to_the_one_before_and_twice_to_the_one_before_that(cast, on_commit):
    promoted_in_order(cast)
    with on_commit():
        assert roll_back(project=cast.project, reason="v3 is rude", actor=cast.researcher).version == 2
    assert promoted_model(cast.project).version == 2
    assert [entry["version"] for entry in registered()] == [2]
    assert roll_back(project=cast.project, reason="v2 too", actor=cast.researcher).version == 1
    with pytest.raises(DomainError) as refusal:
        roll_back(project=cast.project, reason="further", actor=cast.researcher)
    assert refusal.value.code == "nothing_to_roll_back_to"
    event = AuditEvent.objects.filter(action="reward_model.rolled_back").order_by("-pk")[1]
    assert (event.actor, event.summary) == (cast.researcher, "Reward model v2 is in use again: v3 is rude")


def test_after_a_roll_back_a_promotion_replaces_what_it_went_to(cast):
    first, second, third = promoted_in_order(cast)
    roll_back(project=cast.project, reason="back", actor=cast.researcher)
    promote(model=third, reason="mended", actor=None)
    assert roll_back(project=cast.project, reason="not mended", actor=cast.researcher) == second
    assert roll_back(project=cast.project, reason="further", actor=cast.researcher) == first


def test_a_model_that_was_retired_is_rolled_back_from_too(cast):
    first, second = promoted_in_order(cast, 2)
    retire(model=second, reason="labels were wrong", actor=None)
    assert promoted_model(cast.project) is None
    assert roll_back(project=cast.project, reason="what we had", actor=cast.researcher) == first


def test_the_rules_hold_for_people_until_they_insist_and_that_is_written_down(cast):
    model = make_model(cast.project, report=WORSE)
    with pytest.raises(DomainError) as refusal:
        promote_by_hand(model=model, reason="I like it", actor=cast.researcher)
    assert refusal.value.code == "promotion_blocked"
    assert [block["code"] for block in refusal.value.extra["blocks"]] == ["coin_toss"]
    assert promote_by_hand(model=model, reason="I like it", actor=cast.researcher, is_forced=True).state == "promoted"
    event = AuditEvent.objects.get(action="reward_model.promoted")
    assert event.summary == "Reward model v1 is promoted against the rules: I like it"
    assert event.details["is_forced"] is True and event.details["blocks"][0]["code"] == "coin_toss"
    promotion = Promotion.objects.get()
    assert (promotion.is_forced, promotion.actor, promotion.replaced) == (True, cast.researcher, None)


def test_insisting_where_nothing_blocks_is_no_force(cast):
    promote_by_hand(model=make_model(cast.project, report=GOOD), reason="fine", actor=cast.owner, is_forced=True)
    assert Promotion.objects.get().is_forced is False
    assert "is_forced" not in AuditEvent.objects.get(action="reward_model.promoted").details


def blocks(model: RewardModel) -> list[str]:
    return [block.code for block in Standing(model.project).blocks(model)]


def test_it_is_judged_beside_the_model_that_is_in_use_now(cast):
    """Trained beside v1, which another has replaced since: the two have to be compared, on the candidate's own set."""
    old, candidate, new = (make_model(cast.project, report=GOOD) for _ in range(3))
    promote(model=old, reason="first", actor=None)
    told = {"id": old.pk, "version": old.version, "accuracy": GOOD["accuracy"]}
    RewardModel.objects.filter(pk=candidate.pk).update(report=GOOD | {"incumbent": told})
    candidate.refresh_from_db()
    assert blocks(candidate) == []
    promote(model=new, reason="second", actor=None)
    assert blocks(candidate) == ["promoted_not_judged"]
    side = {"accuracy": GOOD["accuracy"]}
    report = {"a": side, "b": side, "difference": {"value": 0.0, "low": -0.1, "high": 0.1, "n": 90}}
    made = ModelComparison.objects.create(
        project=cast.project, a=candidate, b=new, comparison_set=new.comparison_set, report=report
    )
    assert blocks(candidate) == ["promoted_not_judged"]
    ModelComparison.objects.filter(pk=made.pk).update(comparison_set=candidate.comparison_set)
    assert blocks(candidate) == []
    worse = {"accuracy": {"value": 0.7, "n": 90}}
    ModelComparison.objects.filter(pk=made.pk).update(report=report | {"a": worse})
    assert blocks(candidate) == ["worse_than_promoted"]


def test_rules_are_the_projects_own(cast):
    model = make_model(cast.project, report=GOOD | {"length_correlation": {"within_comparison": {"spearman": 0.6}}})
    assert blocks(model) == ["length_correlation"]
    change_rules(project=cast.project, actor=cast.researcher, max_length_correlation=0.7)
    assert blocks(model) == []
    event = AuditEvent.objects.get(action="reward_model.rules_changed")
    assert event.details == {"max_length_correlation": [0.5, 0.7]}


@pytest.mark.parametrize(
    ("field", "value", "constraint"),
    [
        ("max_length_correlation", 1.5, "promotion_rules_length_correlation_range"),
        ("min_advantage", -2, "promotion_rules_advantage_range"),
        ("min_batch_comparisons", 0, "promotion_rules_min_batch_from_one"),
    ],
)
def test_rules_that_cannot_be_are_refused(cast, field, value, constraint):
    with pytest.raises(ValidationError):
        change_rules(project=cast.project, actor=cast.researcher, **{field: value})
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        PromotionRules.objects.create(project=cast.project, **{field: value})


def test_a_model_is_not_compared_with_itself(cast):
    model = make_model(cast.project)
    with pytest.raises(IntegrityError, match="model_comparisons_two_models"), transaction.atomic():
        ModelComparison.objects.create(project=cast.project, a=model, b=model, comparison_set=model.comparison_set)


def test_promotions_so_far_are_written_down_by_the_migration(cast):
    """As it was before there were promotions: models with a time, the order by these."""
    first, second = make_model(cast.project), make_model(cast.project, RewardModelState.PROMOTED)
    RewardModel.objects.filter(pk=first.pk).update(
        promoted_at=second.promoted_at - timedelta(days=1), state="retired", state_reason="Replaced by v2."
    )
    migration = import_module("training.reward.migrations.0003_promotions_so_far")
    migration.write_down(apps, None)
    migration.write_down(apps, None)
    assert list(Promotion.objects.order_by("pk").values_list("reward_model", "replaced__reward_model")) == [
        (first.pk, None),
        (second.pk, first.pk),
    ]
    assert roll_back(project=cast.project, reason="back", actor=cast.owner) == first


def test_the_registry_is_only_rewritten_when_it_changes(cast, on_commit):
    with on_commit():
        promote(model=make_model(cast.project), reason="x", actor=None)
    assert registry.sync() is False
    Path(open_filesystem(registry.registry_url())[1]).write_text("{}")
    assert registry.sync() is True
    assert len(registered()) == 1


def test_the_database_keeps_a_second_promoted_one_out(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    with pytest.raises(IntegrityError, match="reward_models_one_promoted"):
        make_model(cast.project, RewardModelState.PROMOTED)


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_leave_one_promoted(cast):
    models = [make_model(cast.project), make_model(cast.project)]
    barrier = threading.Barrier(2)
    errors: list[Exception] = []

    def run(model: RewardModel) -> None:
        barrier.wait()
        try:
            promote(model=model, reason="race", actor=None)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    states = sorted(RewardModel.objects.values_list("state", flat=True))
    assert states == ["promoted", "retired"]
    assert [entry["version"] for entry in registered()] == [promoted_model(cast.project).version]
