"""`manage.py train`."""

import io

import pytest
from django.core.management import CommandError, call_command

from tests.training.reward.registered import make_set
from training.reward.models import RewardModel


def train(*arguments: str, **options) -> str:
    out = io.StringIO()
    call_command("train", *arguments, stdout=out, **options)
    return out.getvalue()


def test_it_queues_a_training_with_what_was_chosen(cast):
    made = make_set(cast.project)
    options = ["--option", "epochs=3", "--option", "tuning=lora", "--option", "use_margins=true", "--members", "2"]
    told = train("--project", cast.project.slug, "--set", str(made.number), *options)
    model = RewardModel.objects.select_related("job").get()
    assert model.config == {"options": {"epochs": 3, "tuning": "lora", "use_margins": True}}
    assert (model.n_members, model.comparison_set, model.job.kind) == (2, made, "train")
    assert "Reward model v1 of Helpfulness is queued" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--project", "nope", "--set", "1"], "there are: helpfulness"),
        (["--set", "9"], r"no comparison set 9 in helpfulness; there are: 1\."),
        (["--set", "1", "--option", "epochs=0"], "epochs: Expected a number"),
        (["--set", "1", "--option", "depth=3"], "depth: There is no such option"),
        (["--set", "1", "--option", "epochs"], "expected name=value"),
        (["--set", "1", "--members", "0"], "--members: expected 1 to 16"),
        (["--set", "1", "--option", "noise_treatment=drop"], "estimate the label noise"),
    ],
)
def test_what_cannot_be_is_told(cast, arguments, told):
    make_set(cast.project)
    with pytest.raises(CommandError, match=told):
        train(*([] if "--project" in arguments else ["--project", cast.project.slug]), *arguments)
    assert not RewardModel.objects.exists()
