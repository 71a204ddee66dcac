import json
import threading
from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from annotate.common.errors import DomainError
from tests.training.reward.registered import make_model
from training.artifacts import open_filesystem
from training.reward import registry
from training.reward.models import RewardModel, RewardModelState
from training.reward.services import promote, promote_by_rule, promoted_model, retire


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
