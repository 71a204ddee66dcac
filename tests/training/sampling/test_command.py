from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.training.ratings import make_prompt
from tests.training.reward.registered import make_model
from training.reward.models import RewardModelState
from training.sampling.models import SamplingRound


def sample(*arguments: str) -> str:
    out = StringIO()
    call_command("sample", "--project", "helpfulness", *arguments, stdout=out)
    return out.getvalue()


def test_it_starts_a_round(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    assert "Sampling round 1 of Helpfulness is queued" in sample("--budget", "7", "--option", "diversity=quotas")
    made = SamplingRound.objects.get()
    assert (made.budget, made.options["diversity"], made.job.kind) == (7, "quotas", "sample")


def test_a_preview_starts_nothing(cast):
    make_prompt(cast.project, "Why?", ["one", "two", "three"])
    assert "To choose from: 3 pairs of 1 prompts." in sample("--preview")
    assert not SamplingRound.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "0"], "budget"),
        (["--option", "colour=red"], "colour"),
        (["--model", "9"], "no reward model v9"),
        (["--generation", "9"], "no generation 9"),
        ([], "promoted"),
    ],
)
def test_a_refusal_says_what_is_wrong(cast, arguments, said):
    with pytest.raises(CommandError, match=said):
        sample(*arguments)
