"""Made-up texts through the API, by the real scorer: rewards of all models one may ask, and what each sentence does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from annotate.common.processes import wait_until
from annotate.projects.models import Membership, Project, Role
from annotate.projects.services import create_project
from tests.engine.conftest import tiny_base
from tests.training.reward.registered import make_model, save_models
from training.reward import registry
from training.reward.models import RewardModelState
from training.reward.playground import MAX_SENTENCES, models_for, pieces, sentences, without_each

__all__ = ["tiny_base"]

URL = "/api/v1/projects/helpfulness/playground"
MESSAGES = [{"role": "user", "content": "What does a red fox eat?"}]
COMPLETIONS = ["It eats mice. It likes berries too! Ask a keeper.", "Mice."]
# The scorer computes in bf16 where the machine is fast at it; rewards here are spread over about one.
BF16 = 0.03
NOWHERE = "http://127.0.0.1:9"
BODY: dict[str, Any] = {"messages": MESSAGES, "completions": COMPLETIONS}


# --- sentences ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A fox. It eats mice!  Really?", ["A fox.", "It eats mice!", "Really?"]),
        ('He said "Go." Then he went (fast.) So.', ['He said "Go."', "Then he went (fast.)", "So."]),
        ("Dr. Fox, e.g. J. Reynard, paid 3.50 in all. So did I. We left.", 3),
        ("Das gilt z. B. für Füchse. Ja.", ["Das gilt z. B. für Füchse.", "Ja."]),
        ("1. Wash it.\n2. Dry it. Wait.\n\n- one\n- two", ["1. Wash it.", "2. Dry it.", "Wait.", "- one", "- two"]),
        ("A line that is\nwrapped. Another\nOne", ["A line that is\nwrapped.", "Another", "One"]),
        ("small letters\n\nafter a gap", ["small letters", "after a gap"]),
        ("So:\n```\nx = 1\n\nY. Z\n```\nthen run it.", ["So:", "```\nx = 1\n\nY. Z\n```", "then run it."]),
        ("**Bold.** _Not_ so.", ["**Bold.**", "_Not_ so."]),
        ("狐狸吃老鼠。也吃浆果！是吗？", ["狐狸吃老鼠。", "也吃浆果！", "是吗？"]),
        ("क्या? हाँ। ठीक।", ["क्या?", "हाँ।", "ठीक।"]),
        ("  no full stop \n", ["no full stop"]),
        ("   ", ["   "]),
    ],
)
def test_it_finds_the_sentences(text, expected):
    spans = sentences(text)
    found = [text[start:end] for start, end in spans]
    assert (len(found) if isinstance(expected, int) else found) == expected
    assert "".join(pieces(text, spans)) == text
    assert [piece.strip() for piece in pieces(text, spans)] == [one.strip() for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Aha. B is. C is.\n", ["B is. C is.\n", "Aha. C is.\n", "Aha. B is.\n"]),
        # A paragraph keeps its end, whichever of its sentences goes.
        ("One is. Two is.\n\nThree is.", ["Two is.\n\nThree is.", "One is.\n\nThree is.", "One is. Two is."]),
        ("Alone.", []),
        (" ", []),
    ],
)
def test_it_leaves_out_each_sentence_in_turn(text, expected):
    assert without_each(text, sentences(text)) == expected


@pytest.mark.parametrize("text", ["." * 20_000, ". " * 10_000, "```\n" * 5_000, '."' * 10_000, "a\n" * 10_000])
@pytest.mark.timeout(10)
def test_no_text_takes_it_long(text):
    assert "".join(pieces(text, sentences(text))) == text


# --- whose models ---------------------------------------------------------------------------------------------------
@pytest.fixture
def other(cast) -> Project:
    return create_project(owner=cast.owner, name="A safety", axis="safety")


def test_without_a_model_it_says_so(cast):
    client = cast.client(cast.researcher)
    assert client.get(URL).json()["models"] == []
    answer = client.post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")


def test_it_lists_promoted_models_of_ones_own_projects_this_one_first(cast, other):
    make_model(cast.project, RewardModelState.RETIRED)
    mine = make_model(cast.project, RewardModelState.PROMOTED, n_members=3)
    theirs = make_model(other, RewardModelState.PROMOTED)
    make_model(create_project(owner=cast.outsider, name="Foreign"), RewardModelState.PROMOTED)
    assert cast.client(cast.owner).get(URL).json()["models"] == [
        {
            "id": mine.pk,
            "name": "helpfulness",
            "project": "Helpfulness",
            "axis": "helpfulness",
            "version": 2,
            "n_members": 3,
        },
        {"id": theirs.pk, "name": other.slug, "project": "A safety", "axis": "safety", "version": 1, "n_members": 1},
    ]


@pytest.mark.parametrize(
    ("role", "is_active", "sees"),
    [
        (Role.REVIEWER, True, True),
        (Role.RESEARCHER, True, True),
        (Role.LABELLER, True, False),
        (Role.REVIEWER, False, False),
        (None, True, False),
    ],
)
def test_another_projects_model_is_for_those_who_see_rewards_there(cast, other, role, is_active, sees):
    model = make_model(other, RewardModelState.PROMOTED)
    if role:
        Membership.objects.create(project=other, user=cast.researcher, role=role, is_active=is_active)
    assert (model in models_for(cast.seat(cast.researcher))) == sees
    body = BODY | {"explain": True, "explain_model": other.slug}
    make_model(cast.project, RewardModelState.PROMOTED)
    with override_settings(SCORER_URL=NOWHERE):
        answer = cast.client(cast.researcher).post(URL, body, format="json")
    # What is allowed goes on to where the scorer should be.
    assert answer.json()["code"] == ("scorer_unavailable" if sees else "not_found")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"completions": []}, "completions"),
        ({"completions": ["x"] * 9}, "completions"),
        ({"completions": ["x" * 20_001]}, "completions.0"),
        ({"completions": [""]}, "completions.0"),
        ({"messages": []}, "messages"),
    ],
)
def test_it_names_what_is_wrong_with_the_texts(cast, change, field):
    make_model(cast.project, RewardModelState.PROMOTED)
    answer = cast.client(cast.researcher).post(URL, BODY | change, format="json")
    assert answer.status_code == 400 and any(error["field"].startswith(field) for error in answer.json()["errors"])


def test_too_many_sentences_are_refused_before_the_scorer_is_asked(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    body = BODY | {"completions": ["Yes. " * MAX_SENTENCES, "No."], "explain": True}
    answer = cast.client(cast.researcher).post(URL, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_sentences")
    assert (answer.json()["n_sentences"], answer.json()["max_sentences"]) == (MAX_SENTENCES + 1, MAX_SENTENCES)


def test_without_a_scorer_it_is_to_be_asked_later(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    with override_settings(SCORER_URL=NOWHERE):
        answer = cast.client(cast.researcher).post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "scorer_unavailable")


# --- by the real scorer ---------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_base) -> dict[str, Path]:
    return save_models(tiny_base, tmp_path_factory.mktemp("played"))


@pytest.fixture
def served(cast, other, weights, live_scorer) -> Iterator[None]:
    """Helpfulness is the ensemble, the other project has the single model."""
    file = Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json"
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(weights["pair"]), n_members=2)
    make_model(other, RewardModelState.PROMOTED, artifact_uri=str(weights["single"]))
    registry.sync()
    client = cast.client(cast.owner)

    def is_served() -> bool:
        answer = client.post(URL, BODY, format="json")
        return answer.status_code == 200 and not any(row["error"] for row in answer.json()["models"])

    assert wait_until(is_served, 60, 0.2)
    yield
    file.unlink(missing_ok=True)


@pytest.mark.timeout(180)
def test_it_shows_what_every_model_makes_of_the_texts(cast, other, weights, served):
    from training.engine.reward.ensemble import RewardEnsemble
    from training.engine.reward.model import RewardModel

    client = cast.client(cast.owner)
    answer = client.post(URL, BODY, format="json").json()
    assert answer["explanation"] is None
    here, there = answer["models"]
    assert (here["model"]["name"], there["model"]["name"]) == ("helpfulness", other.slug)
    assert (here["version"], there["version"]) == (1, 1)
    items = [(MESSAGES, text) for text in COMPLETIONS]
    single = RewardModel.load(weights["single"])
    assert there["rewards"] == pytest.approx(single.score(items), abs=BF16)
    assert there["n_tokens"] == [one.n_tokens for one in single.score_detailed(items)]
    assert there["truncated"] == [False, False]
    assert (there["members"], there["uncertainty"]) == (None, None)
    ensemble = RewardEnsemble.load(weights["pair"])
    by_member = ensemble.score_members(items)
    for place in range(2):
        assert here["members"][place] == pytest.approx(list(by_member[:, place]), abs=BF16)
        assert here["uncertainty"][place] == pytest.approx(by_member[:, place].std(), abs=BF16)
        assert here["rewards"][place] == pytest.approx(by_member[:, place].mean(), abs=BF16)
    # A model that the caller may not ask is not among them.
    assert [row["model"]["name"] for row in _ask(cast, cast.researcher, BODY)["models"]] == ["helpfulness"]


@pytest.mark.timeout(180)
def test_a_sentence_moves_the_reward_by_what_is_lost_without_it(cast, other, weights, served):
    from training.engine.reward.model import RewardModel

    answer = _ask(cast, cast.owner, BODY | {"explain": True, "explain_model": other.slug})
    model = RewardModel.load(weights["single"])
    whole = "It eats mice. It likes berries too! Ask a keeper."
    left = ["It likes berries too! Ask a keeper.", "It eats mice. Ask a keeper.", "It eats mice. It likes berries too!"]
    reward, *without = model.score([(MESSAGES, text) for text in (whole, *left)])
    first, second = (one["sentences"] for one in answer["explanation"]["completions"])
    assert (answer["explanation"]["name"], answer["explanation"]["version"]) == (other.slug, 1)
    assert [one["text"] for one in first] == ["It eats mice. ", "It likes berries too! ", "Ask a keeper."]
    assert [one["change"] for one in first] == pytest.approx([one - reward for one in without], abs=BF16)
    assert len({round(one["change"], 4) for one in first}) == 3
    assert second == [{"text": "Mice.", "change": None}]
    # What was left of the completions is not in the table.
    assert [len(row["rewards"]) for row in answer["models"]] == [2, 2]
    by_default = _ask(cast, cast.owner, BODY | {"explain": True})
    assert by_default["explanation"]["name"] == "helpfulness"


@pytest.mark.timeout(180)
def test_a_model_that_cannot_answer_does_not_hide_the_others(cast, served):
    missing = create_project(owner=cast.owner, name="Not loaded")
    make_model(missing, RewardModelState.PROMOTED)
    answer = _ask(cast, cast.owner, BODY | {"explain": True, "explain_model": missing.slug})
    row = next(row for row in answer["models"] if row["model"]["name"] == missing.slug)
    assert row["error"]["code"] == "scorer_unavailable" and row["rewards"] is None
    assert answer["explanation"] is None
    assert [row["error"] for row in answer["models"]].count(None) == 2


def _ask(cast, user, body) -> dict[str, Any]:
    answer = cast.client(user).post(URL, body, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()
