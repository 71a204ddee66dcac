from typing import Any

import pytest
from django.core.exceptions import ValidationError

from training.policy_runs.options import PolicyRunOptions


def test_what_is_left_out_has_its_default_and_comes_back():
    options = PolicyRunOptions.parse({"reward_model": 2, "human_kls": [1, 2.5]})
    assert (options.start, options.algorithm, options.beta) == ("builtin", "rloo", 0.05)
    assert PolicyRunOptions.parse(options.to_dict()) == options
    assert options.to_dict()["human_kls"] == [1, 2.5]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", "nowhere"),
        ("start", "path:relative/model"),
        ("start", "path:/models/../../etc"),
        ("start", "checkpoint:one"),
        ("start", 7),
        ("reward_model", 0),
        ("reward_model", True),
        ("gold_model", 2),
        ("gold_model", "2"),
        ("algorithm", "ppo"),
        ("shaping", "log"),
        ("ensemble", "best"),
        ("reward", "raw"),
        ("beta", -0.1),
        ("beta", float("nan")),
        ("kl_target", -1),
        ("kl_limit", "far"),
        ("temperature", 0),
        ("learning_rate", 0),
        ("n_steps", 0),
        ("prompts_per_step", 1.5),
        ("completions_per_prompt", 1),
        ("max_new_tokens", 0),
        ("lora_rank", -1),
        ("evaluate_every", 0),
        ("n_probe", 3),
        ("n_human", 501),
        ("n_iterations", 0),
        ("max_prompt_tokens", 7),
        ("clip", 0),
        ("clip", 1.1),
        ("kl_horizon", 0),
        ("uncertainty_weight", -1),
        ("early_stop", "yes"),
        ("early_stop", 1),
        ("stop_patience", -1),
        ("stop_confidence", 1),
        ("stop_margin", -0.1),
        ("seed", -1),
        ("human_kls", 3),
        ("human_kls", [0]),
        ("human_kls", [5, 2]),
        ("human_kls", [2, 2]),
        ("human_kls", list(range(1, 30))),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(field, value):
    with pytest.raises(ValidationError) as refusal:
        PolicyRunOptions.parse({"reward_model": 2, field: value})
    assert list(refusal.value.message_dict) == [field]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kl_target": 4, "beta": 0}, "beta"),
        ({"combine_with": "safety", "ensemble": "worst"}, "ensemble"),
        ({"combine_with": "safety", "reward": "calibrated"}, "reward"),
        ({"n_probe": 20, "n_human": 21}, "n_human"),
        ({"n_steps": 500, "evaluate_every": 2}, "evaluate_every"),
    ],
)
def test_what_does_not_go_together_is_told(options, field):
    with pytest.raises(ValidationError) as refusal:
        PolicyRunOptions.parse({"reward_model": 2, **options})
    assert list(refusal.value.message_dict) == [field]


def test_options_of_an_earlier_release_have_the_defaults_of_what_is_new():
    old = {name: value for name, value in PolicyRunOptions(reward_model=2).to_dict().items() if name != "clip"}
    assert PolicyRunOptions.filled(old | {"beta": 0.2})["clip"] == 0.2
    assert PolicyRunOptions.filled(old | {"beta": 0.2})["beta"] == 0.2
    assert PolicyRunOptions.parse(old).clip == 0.2


def test_no_options_at_all_are_refused():
    nothings: tuple[Any, ...] = ([], "beta", None)
    for raw in nothings:
        with pytest.raises(ValidationError):
            PolicyRunOptions.parse(raw)


def test_evaluations_are_counted_with_the_start_the_end_and_the_marks():
    options = PolicyRunOptions.parse({"reward_model": 1, "n_steps": 100, "evaluate_every": 10, "human_kls": [1, 2, 3]})
    assert options.n_evaluations == 1 + 10 + 3
    assert (
        PolicyRunOptions.parse({"reward_model": 1, "n_steps": 5, "evaluate_every": 10, "human_kls": []}).n_evaluations
        == 2
    )
