"""A project that has been worked in: two labellers who mostly agree, a third who does not, gold, a second look."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import pytest

from annotate.accounts.models import User
from annotate.agreement.services import refresh_snapshot
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import lease
from annotate.projects.models import Membership, Role
from annotate.ratings.services import Judgement, submit
from tests.cast import Cast, make_user

P = "/api/v1/projects/helpfulness"
Make = Callable[..., list[Comparison]]


@dataclass
class Worked:
    cast: Cast
    comparisons: list[Comparison]
    third: User

    def get(self, path: str, user: User | None = None, **query: object) -> dict:
        answer = self.cast.client(user or self.cast.reviewer).get(f"{P}/{path}", query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def refresh(self) -> None:
        assert refresh_snapshot(project_id=self.cast.project.pk) is not None


def rate(cast: Cast, user: User, side_of: dict[int, str], active_ms: int | None = 20_000) -> None:
    """Have the user rate what they are given, as `side_of` says by comparison."""
    seat = cast.seat(user)
    while leases := lease(seat=seat, n=20):
        judgements = []
        for assignment in leases:
            side = side_of[assignment.comparison_id]
            shown = "tie" if side == "tie" else "first" if side == assignment.first else "second"
            intensity = None if side == "tie" else 2
            judgements.append(Judgement(uuid4(), assignment.pk, shown, intensity, active_ms=active_ms))
        submit(seat=seat, judgements=judgements)


@pytest.fixture
def worked(cast: Cast, comparisons: Make) -> Worked:
    """30 comparisons, three ratings each; the third labeller differs from the others on every other one."""
    cast.project.max_ratings = 3
    cast.project.save()
    made = comparisons(30)
    third = make_user("third labeller")
    Membership.objects.create(project=cast.project, user=third, role=Role.LABELLER)
    sides = dict(zip((one.pk for one in made), np.random.default_rng(3).choice(["a", "b"], 30).tolist(), strict=True))
    other = {"a": "b", "b": "a"}
    rate(cast, cast.labeller, sides)
    rate(cast, cast.second_labeller, sides)
    rate(cast, third, {pk: other[side] if at % 2 else side for at, (pk, side) in enumerate(sides.items())}, None)
    found = Worked(cast, made, third)
    found.refresh()
    return found
