"""The pairs of a ranking reach a comparison set as any others do."""

from uuid import uuid4

from annotate.comparisons.models import Comparison
from annotate.rankings.services import Order, lease, submit
from tests.annotate.rankings.conftest import make_rankings
from training.exports.reading import comparison_rows
from training.exports.selectors import preview
from training.exports.spec import Spec


def test_every_pair_comes_out_with_its_side_and_no_margin(cast):
    (ranking,) = make_rankings(cast.project, 1)
    seat = cast.seat(cast.labeller)
    (leased,) = lease(seat=seat, n=1)
    best, worst, *middle = leased.order
    tiers = [[0], [2, 3], [1]]
    (outcome,) = submit(seat=seat, orders=[Order(uuid4(), leased.pk, tiers)])
    assert outcome.status == "accepted"
    spec = Spec(min_ratings=1)
    rows = list(comparison_rows(cast.project, spec))
    texts = {completion.pk: completion.text for completion in ranking.completions.all()}
    said = {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows}
    assert said == {
        (texts[best], texts[worst]),
        *((texts[best], texts[pk]) for pk in middle),
        *((texts[pk], texts[worst]) for pk in middle),
    }, "the tie is left out"
    assert {(row["intensity"], row["margin"], row["weight"], row["n_ratings"]) for row in rows} == {(None, 0.0, 1.0, 1)}
    assert len({row["split"] for row in rows}) == 1, "one prompt, one side"
    told = preview(cast.project, spec)
    assert (told["comparisons"], told["left_out"]["tied"]) == (5, 1)
    assert Comparison.objects.count() == 6
