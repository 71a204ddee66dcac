import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.test import override_settings

from annotate.settings import _endpoints
from tests.training.reward.registered import make_model
from training.endpoints import find_endpoint
from training.engine.lm.best import RULES
from training.generation.options import BEST_BY, GenerationOptions, MixRow
from training.generation.sources import default_mix, find_sources
from training.policy.models import Checkpoint

ONE = {"source": "builtin"}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "mix"),
        ({"mix": []}, "mix"),
        ({"mix": [{}]}, "mix.0.source"),
        ({"mix": [ONE, {"source": "http://169.254.169.254/"}]}, "mix.1.source"),
        ({"mix": [{"source": "path:models/x"}]}, "mix.0.source"),
        ({"mix": [{"source": "path:/a/../b"}]}, "mix.0.source"),
        ({"mix": [{"source": "checkpoint:x"}]}, "mix.0.source"),
        ({"mix": [{"source": "checkpoint:1 or 1"}]}, "mix.0.source"),
        ({"mix": [{**ONE, "kind": "martian"}]}, "mix.0.kind"),
        ({"mix": [{**ONE, "kind": "random"}]}, "mix.0.kind"),
        ({"mix": [{"source": "pool", "kind": "sft"}]}, "mix.0.kind"),
        ({"mix": [{"source": "pool", "kind": "random", "best_of": 2}]}, "mix.0.source"),
        ({"mix": [{**ONE, "temperature": -1}]}, "mix.0.temperature"),
        ({"mix": [{**ONE, "top_p": 0}]}, "mix.0.top_p"),
        ({"mix": [{**ONE, "n": 0}]}, "mix.0.n"),
        ({"mix": [{**ONE, "n": True}]}, "mix.0.n"),
        ({"mix": [{**ONE, "by": "os.system"}]}, "mix.0.by"),
        ({"mix": [{**ONE, "colour": "red"}]}, "mix.0.colour"),
        ({"mix": [{**ONE, "n": 40, "best_of": 10}]}, "mix"),
        ({"mix": [ONE], "n_prompts": 0}, "n_prompts"),
        ({"mix": [ONE], "order": "sideways"}, "order"),
        ({"mix": [ONE], "near_duplicate": 0}, "near_duplicate"),
        ({"mix": [ONE], "tags": "x"}, "tags"),
        ({"mix": [ONE], "tags": ["\x00"]}, "tags"),
        ({"mix": [ONE], "clusters": ["x"]}, "clusters"),
        ({"mix": [ONE], "seed": -1}, "seed"),
        ({"mix": [ONE], "max_new_tokens": 10**9}, "max_new_tokens"),
        ({"mix": [ONE], "reward_model": 0}, "reward_model"),
    ],
)
def test_a_bad_option_is_named_by_its_field(raw, field):
    with pytest.raises(ValidationError) as refusal:
        GenerationOptions.parse(raw)
    assert list(refusal.value.message_dict) == [field]


def test_they_go_to_json_and_back():
    options = GenerationOptions.parse({"mix": [ONE, {"source": "pool", "kind": "random"}], "tags": ["x"]})
    assert GenerationOptions.parse(options.to_dict()) == options


def test_the_rules_are_the_engines():
    assert BEST_BY == RULES


def test_what_there_is_not_is_named_by_its_field(cast):
    mix = [{"source": "checkpoint:7"}, {"source": "endpoint:nope"}, {**ONE, "best_of": 2}]
    with pytest.raises(ValidationError) as refusal:
        find_sources(cast.project, GenerationOptions.parse({"mix": mix}))
    assert set(refusal.value.message_dict) == {"mix.0.source", "mix.1.source", "reward_model"}


def test_a_checkpoint_of_another_pool_is_none(cast, other_pool):
    theirs = Checkpoint.objects.create(pool=other_pool, name="x", kind="policy", path="/x")
    with pytest.raises(ValidationError):
        find_sources(cast.project, GenerationOptions.parse({"mix": [{"source": f"checkpoint:{theirs.pk}"}]}))


def test_only_listed_endpoints_are_found():
    with override_settings(LM_ENDPOINTS=[("big", "http://a:8000/v1", "m")]):
        assert find_endpoint("big") == find_endpoint("http://a:8000/v1/") != None  # noqa: E711 - of a chain
        assert find_endpoint("http://b:8000/v1") is None


def test_the_token_of_one_endpoint_comes_before_that_of_all(monkeypatch):
    with override_settings(LM_ENDPOINTS=[("big-one", "http://a/v1", "m"), ("other", "http://b/v1", "m")]):
        monkeypatch.setenv("LM_ENDPOINT_TOKEN", "x")
        monkeypatch.setenv("LM_ENDPOINT_TOKEN_BIG_ONE", "y")
        names = [find_endpoint(name).token_env for name in ("big-one", "other")]
    assert names == ["LM_ENDPOINT_TOKEN_BIG_ONE", "LM_ENDPOINT_TOKEN"]


def test_a_listed_endpoint_without_a_model_is_refused_at_start():
    assert _endpoints(["a=http://h:1/v1 m", " b=https://h m/x"]) == [
        ("a", "http://h:1/v1", "m"),
        ("b", "https://h", "m/x"),
    ]
    for bad in ("a", "a=h m", "a=http://h", "=http://h m"):
        with pytest.raises(ImproperlyConfigured):
            _endpoints([bad])


def test_the_default_mix_grows_with_what_there_is(cast):
    assert [row.source for row in default_mix(cast.project)] == ["builtin", "builtin", "pool"]
    pool = cast.project.pool
    sft, early, current = (
        Checkpoint.objects.create(pool=pool, name=name, kind=kind, path="/x")
        for name, kind in (("s", "sft"), ("p1", "policy"), ("p2", "policy"))
    )
    make_model(cast.project, "promoted")
    mix = default_mix(cast.project)
    assert [row.source for row in mix] == [
        f"checkpoint:{current.pk}",
        f"checkpoint:{current.pk}",
        f"checkpoint:{early.pk}",
        f"checkpoint:{sft.pk}",
        f"checkpoint:{current.pk}",
        "pool",
    ]
    kinds = [source.kind for source in find_sources(cast.project, GenerationOptions(mix=mix))]
    assert kinds == ["current_policy", "current_policy", "early_policy", "sft", "adversarial", "random"]
    assert all(isinstance(row, MixRow) for row in mix)
