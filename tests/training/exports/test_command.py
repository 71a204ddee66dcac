"""`manage.py export`."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.training.ratings import rate
from training.exports.models import ComparisonSet


def export(cast, *arguments: str) -> str:
    told = io.StringIO()
    call_command("export", "--project", cast.project.slug, *arguments, stdout=told)
    return told.getvalue()


@pytest.fixture
def rated(cast, comparisons):
    for comparison, answers in zip(comparisons(3), ("aa", "aab", "b"), strict=True):
        rate(comparison, *answers)


def test_a_preview_counts_and_makes_nothing(cast, rated):
    told = export(cast, "--preview", "--set", "min_ratings=2")
    lines = [line.split() for line in told.splitlines()]
    assert ["comparisons", "2"] in lines
    assert ["left", "out:", "too", "few", "ratings", "1"] in lines
    assert not ComparisonSet.objects.exists()


def test_it_queues_a_set_from_a_file_and_fields_over_it(cast, rated, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"min_ratings": 2, "ties": "soft"}))
    export(cast, "--spec", str(spec), "--set", "min_ratings=1", "--set", 'tags=["code"]', "--yes", "--name", "mine")
    made = ComparisonSet.objects.get()
    assert (made.name, made.spec["min_ratings"], made.spec["ties"], made.spec["tags"]) == ("mine", 1, "soft", ["code"])
    assert made.job.state == "queued"


def test_disagreement_above_the_limit_wants_a_yes(cast, rated):
    with pytest.raises(CommandError, match=r"disagree on 50% .* --yes"):
        export(cast)
    export(cast, "--yes")
    event = cast.project.audit_events.get(action="export.above_limit")
    assert event.details["disagreement"]["share"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "min_ratings=0"], "min_ratings: Expected a whole number from 1 to 50"),
        (["--set", "ties"], "expected name=value"),
        (["--set", "min_rating=1"], "There is no such field"),
        (["--set", "preference=posterior", "--set", "labellers=[1]"], "judges by all ratings"),
    ],
)
def test_what_cannot_be_is_told(cast, arguments, told):
    with pytest.raises(CommandError, match=told):
        export(cast, *arguments)
