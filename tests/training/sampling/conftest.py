from collections.abc import Callable

import pytest

from annotate.comparisons.models import Comparison
from tests.cast import Cast
from tests.training.reward.registered import make_model
from training.reward.models import RewardModelState
from training.sampling.models import SamplingRound
from training.sampling.options import SamplingOptions
from training.sampling.services import _finish, create_round


@pytest.fixture
def draw(cast: Cast) -> Callable[..., SamplingRound]:
    """A drawn round of comparisons, as if the engine had chosen them in this order.

    random: ranks that were drawn at random. gaps: reward(a) − reward(b) of each.
    """

    def act(
        comparisons: list[Comparison], *, random: tuple[int, ...] = (), gaps: list[float] | None = None
    ) -> SamplingRound:
        model = cast.project.reward_models.filter(state=RewardModelState.PROMOTED).first()
        model = model or make_model(cast.project, RewardModelState.PROMOTED)
        made = create_round(project=cast.project, model=model, options=SamplingOptions(budget=len(comparisons)))
        chosen = [
            {
                "prompt_id": comparison.prompt_id,
                "a": comparison.a_id,
                "b": comparison.b_id,
                "rank": rank,
                "is_random": rank in random,
                "terms": {"gap": gaps[rank] if gaps else 0.5, "disagreement": 0.25},
                "cluster": rank % 2,
            }
            for rank, comparison in enumerate(comparisons)
        ]
        return _finish(made, chosen, {"n_candidates": 10})

    return act
