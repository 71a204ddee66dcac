"""The built-in model, trained for real, as small as it gets."""

import pytest
from django.core.exceptions import ValidationError

from annotate.jobs.context import JobFailed
from tests.training.ratings import running_job
from tests.training.real import TINY_BASE, load_pandalm
from training.policy.models import Checkpoint
from training.policy.services import ensure_base_model, resolve_base_model, validate_base_model


@pytest.fixture
def context(cast):
    load_pandalm(cast.project, 60)
    return running_job(cast.project, "refresh")


def test_it_is_made_once_for_a_state_of_the_pool(cast, context, monkeypatch):
    pool = cast.project.pool
    made = ensure_base_model(pool=pool, context=context, overrides=TINY_BASE)
    assert made.kind == "sft" and made.parent.kind == "base"
    assert made.parent.metrics["n_parameters"] > 1000
    told = " ".join(context.job.log_lines.values_list("message", flat=True))
    assert "since there are no sft ones" in told

    def refuse(*args, **kwargs):
        raise AssertionError("the engine was started again")

    monkeypatch.setattr(type(context), "run_process", refuse)
    assert ensure_base_model(pool=pool, context=context, overrides=TINY_BASE) == made
    assert Checkpoint.objects.count() == 2


def test_an_empty_pool_is_refused(cast):
    with pytest.raises(JobFailed, match="import prompts first"):
        ensure_base_model(pool=cast.project.pool, context=running_job(cast.project))


@pytest.mark.parametrize("name", ["builtin", "/models/llama", "meta-llama/Llama-3.2-1B", "gpt2"])
def test_names_of_base_models(name):
    validate_base_model(name)


@pytest.mark.parametrize("name", ["", "../x", "/a/../b", "a/b/c", "http://x/y", "a b", "-rf", "x" * 300])
def test_what_is_no_name_of_a_base_model(name):
    with pytest.raises(ValidationError):
        validate_base_model(name)


def test_weights_that_could_run_code_are_refused(cast, tmp_path):
    context = running_job(cast.project)
    with pytest.raises(JobFailed) as missing:
        resolve_base_model(pool=cast.project.pool, name=str(tmp_path), context=context)
    assert missing.value.code == "base_model_not_found"
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(JobFailed) as unsafe:
        resolve_base_model(pool=cast.project.pool, name=str(tmp_path), context=context)
    assert unsafe.value.code == "base_model_unsafe"
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert resolve_base_model(pool=cast.project.pool, name=str(tmp_path), context=context).path == str(tmp_path)
