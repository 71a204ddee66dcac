"""Query counts of the main endpoints. A change of a number is a change of cost: it has to be seen in review."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.annotate.rankings.conftest import make_rankings
from tests.cast import Cast, make_comparisons

BASELINES: dict[str, int] = json.loads((Path(__file__).parent / "query_counts.json").read_text())
P = "/api/v1/projects/helpfulness"


def next_pairs(cast: Cast) -> None:
    assert cast.client(cast.labeller).post(f"{P}/next", {"n": 3}, format="json").status_code == 200


def submit_with_next(cast: Cast) -> None:
    client = cast.client(cast.labeller)
    (first, *_) = client.post(f"{P}/next", {"n": 3}, format="json").json()["assignments"]
    rating = {"client_id": str(uuid4()), "assignment_id": first["id"], "preferred": "first", "intensity": 1}
    assert client.post(f"{P}/ratings", {"ratings": [rating], "next": 3}, format="json").status_code == 200


def next_rankings(cast: Cast) -> None:
    assert cast.client(cast.labeller).post(f"{P}/rankings/next", {"n": 3}, format="json").status_code == 200


def rank_with_next(cast: Cast) -> None:
    client = cast.client(cast.labeller)
    (first, *_) = client.post(f"{P}/rankings/next", {"n": 3}, format="json").json()["assignments"]
    ranking = {"client_id": str(uuid4()), "assignment_id": first["id"], "tiers": [[3], [0], [1, 2]]}
    body = client.post(f"{P}/rankings", {"rankings": [ranking], "next": 3}, format="json").json()
    assert body["results"][0]["status"] == "accepted"


def get(path: str) -> Callable[[Cast], None]:
    def visit(cast: Cast) -> None:
        assert cast.client(cast.owner).get(path).status_code == 200

    return visit


def read_draft(cast: Cast) -> None:
    assert cast.client(cast.owner).get(f"{P}/guidelines/draft").status_code == 404  # the same queries as a draft's


VISITS: dict[str, Callable[[Cast], None]] = {
    "me": get("/api/v1/me"),
    "projects": get("/api/v1/projects"),
    "project": get(P),
    "overview": get(f"{P}/overview"),
    "agreement": get(f"{P}/agreement"),
    "agreement-pairs": get(f"{P}/agreement/pairs"),
    "labellers": get(f"{P}/labellers"),
    "disagreements": get(f"{P}/disagreements"),
    "ratings": get(f"{P}/ratings"),
    "comparisons": get(f"{P}/comparisons"),
    "members": get(f"{P}/members"),
    "jobs": get(f"{P}/jobs"),
    "prompts": get(f"{P}/prompts"),
    "imports": get(f"{P}/imports"),
    "comparison-sets": get(f"{P}/comparison-sets"),
    "generations": get(f"{P}/generations"),
    "constitutions": get(f"{P}/constitutions"),
    "judges": get(f"{P}/judges"),
    "judge-runs": get(f"{P}/judge-runs"),
    "drift-reports": get(f"{P}/drift-reports"),
    "sampling-rounds": get(f"{P}/sampling-rounds"),
    "sampling-preview": get(f"{P}/sampling-rounds/preview"),
    "guidelines": get(f"{P}/guidelines"),
    "qualification": get(f"{P}/qualification"),
    "qualifications": get(f"{P}/qualifications"),
    "reward-models": get(f"{P}/reward-models"),
    "model-comparisons": get(f"{P}/reward-models/compare"),
    "promotion-rules": get(f"{P}/reward-models/rules"),
    "playground": get(f"{P}/playground"),
    "bulk-scorings": get(f"{P}/bulk-scorings"),
    "refreshes": get(f"{P}/refreshes"),
    "refresh-schedule": get(f"{P}/refreshes/schedule"),
    "refresh-timeline": get(f"{P}/refreshes/timeline"),
    "sft-runs": get(f"{P}/sft-runs"),
    "sft-runs-options": get(f"{P}/sft-runs/options"),
    "policy-runs": get(f"{P}/policy-runs"),
    "policy-runs-options": get(f"{P}/policy-runs/options"),
    "next": next_pairs,
    "next and submit-with-next": submit_with_next,
    "my-rankings": get(f"{P}/my-rankings"),
    "audit": get(f"{P}/audit"),
    "messages": get(f"{P}/messages"),
    "guideline-draft": read_draft,
    "guidelines-disagreement": get(f"{P}/guidelines/disagreement"),
    "next-rankings": next_rankings,
    "next-rankings and submit-with-next": rank_with_next,
}


@pytest.mark.parametrize("name", VISITS)
@pytest.mark.parametrize("n_comparisons", [6, 30])
def test_the_count_is_the_baseline_at_any_size(cast: Cast, name: str, n_comparisons: int) -> None:
    make_comparisons(cast.project, n_comparisons)
    if "rankings" in name:
        make_rankings(cast.project, n_comparisons)
    VISITS["overview"](cast)  # makes the snapshot's row, once in a project's life
    with CaptureQueriesContext(
        connection,
    ) as queries:
        VISITS[name](cast)
    assert len(queries) == BASELINES[name], "\n".join(query["sql"][:200] for query in queries)
