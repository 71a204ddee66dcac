"""The scorer as a process of its own, over HTTP on the loopback interface."""

import concurrent.futures
import shutil
import signal
import threading

import httpx
import pytest

from annotate.common.processes import wait_until
from tests.engine.scoring.running import PROMPT, Running
from tests.environment import free_port
from training.engine.reward.model import RewardModel
from training.engine.reward.outside import FeatureRange
from training.engine.scoring.client import ScorerClient, ScorerRefused, ScorerUnavailable


@pytest.fixture
def client(scorer):
    with ScorerClient(scorer.url, timeout_s=30) as made:
        yield made


def test_it_gives_the_models_own_rewards(scorer, client, trained_model):
    model = RewardModel.load(trained_model)
    completions = ["Blue.", "I do not know.", "Red, of course! " * 80]
    scores = client.score("helpfulness", [(PROMPT, completions)])
    expected = model.score_detailed([(PROMPT, text) for text in completions])
    (item,) = scores.items
    assert (scores.model, scores.version) == ("helpfulness", 1)
    assert item.rewards == pytest.approx([one.reward for one in expected], abs=1e-4)
    assert item.n_tokens == [one.n_tokens for one in expected]
    assert item.truncated == [False, False, True]


def test_distances_are_told_where_asked_for(client, trained_model):
    texts = ["Blue.", "zzz qqq " * 60, "I do not know."]
    known, model = FeatureRange.load(trained_model), RewardModel.load(trained_model)
    assert known is not None
    expected = known.percentiles(model.features([(PROMPT, text) for text in texts]))
    (plain,) = client.score("helpfulness", [(PROMPT, texts)]).items
    (item,) = client.score("helpfulness", [(PROMPT, texts)], distances=True).items
    assert plain.distances is None
    assert item.rewards == pytest.approx(plain.rewards, abs=1e-4)
    assert item.distances == pytest.approx(expected.tolist(), abs=1e-3)
    assert len(set(item.distances)) > 1
    assert item.members is None and item.uncertainty is None
    assert [one["has_distances"] for one in client.models()] == [True]


def test_many_clients_at_once_each_get_their_own(scorer, trained_model):
    model = RewardModel.load(trained_model)

    def ask(number):
        texts = [f"Answer {number}.{place}" for place in range(1 + number % 5)]
        with ScorerClient(scorer.url) as mine:
            return texts, mine.score("helpfulness", [(PROMPT, texts)]).items[0].rewards

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for texts, rewards in pool.map(ask, range(60)):
            assert rewards == pytest.approx(model.score([(PROMPT, text) for text in texts]), abs=1e-4)


def test_one_bad_item_does_not_lose_the_others(client):
    items = [(PROMPT, ["Blue."]), ([], ["Blue."]), (PROMPT, [""]), (PROMPT, ["Green."])]
    scored = client.score("helpfulness", items).items
    assert [bool(item.error) for item in scored] == [False, True, True, False]
    assert '"messages" must be a list' in scored[1].error
    assert "completions[0]" in scored[2].error


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "not_json"),
        (b"[]", 400, "bad_request"),
        (b'{"model": 3, "items": []}', 422, "bad_request"),
        (b'{"model": "helpfulness", "items": []}', 422, "bad_request"),
        (b'{"model": "helpfulness", "items": [{}], "distances": 1}', 422, "bad_request"),
        (b'{"model": "nobody", "items": [{}]}', 404, "unknown_model"),
        (b'{"model": "helpfulness@7", "items": [{}]}', 404, "unknown_model"),
        (
            b'{"model": "helpfulness", "items": [{"completions": [%s]}]}' % b",".join([b'"x"'] * 10_001),
            413,
            "too_many",
        ),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(scorer, body, status, code):
    answer = httpx.post(f"{scorer.url}/v1/score", content=body, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_client_tells_later_from_never(client):
    with pytest.raises(ScorerUnavailable, match=r"not served here\. Served: helpfulness@1"):
        client.score("nobody", [(PROMPT, ["x"])])
    with pytest.raises(ScorerRefused, match="items"):
        client.score("helpfulness", [])
    with (
        ScorerClient(f"http://127.0.0.1:{free_port()}", n_retries=1) as nowhere,
        pytest.raises(ScorerUnavailable, match="does not answer"),
    ):
        nowhere.score("helpfulness", [(PROMPT, ["x"])])


def test_a_full_queue_is_429_with_a_time_and_the_client_waits_it_out(scorer):
    # No two alike: a text that comes twice is computed once.
    completions = [f"{number} " + "word " * 60 for number in range(300)]
    body = {"model": "helpfulness", "items": [{"messages": PROMPT, "completions": completions}]}

    def ask(_):
        return httpx.post(f"{scorer.url}/v1/score", json=body, timeout=120, trust_env=False)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    statuses = [answer.status_code for answer in answers]
    assert 200 in statuses and 429 in statuses, statuses
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "queue_full" and int(refused.headers["Retry-After"]) >= 1


def test_metrics_count_what_was_scored(scorer, client):
    def completions():
        lines = httpx.get(f"{scorer.url}/metrics", trust_env=False).text.splitlines()
        name = 'scorer_completions_total{model="helpfulness@1"} '
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    before = completions()
    client.score("helpfulness", [(PROMPT, ["a", "b", "c"])])
    assert completions() == before + 3


def test_a_new_version_takes_over_without_a_failed_request(tmp_path, trained_model):
    running = Running(tmp_path)
    try:
        assert running.serves()
        second = tmp_path / "second"
        shutil.copytree(trained_model, second)
        running.promote(("helpfulness", 1, trained_model))
        assert wait_until(lambda: running.serves("helpfulness@1"), 30, 0.1), running.log.read_text()
        versions, failures, is_over = [], [], threading.Event()

        def ask_on():
            with ScorerClient(running.url, n_retries=0) as mine:
                while not is_over.is_set():
                    try:
                        versions.append(mine.score("helpfulness", [(PROMPT, ["Blue."])]).version)
                    except (ScorerUnavailable, ScorerRefused) as error:
                        failures.append(error)

        askers = [threading.Thread(target=ask_on) for _ in range(3)]
        for asker in askers:
            asker.start()
        running.promote(("helpfulness", 2, second))
        swapped = wait_until(lambda: versions[-20:].count(2) >= 10, 30, 0.05)
        is_over.set()
        for asker in askers:
            asker.join(10)
        assert swapped and not failures
        assert set(versions) == {1, 2}

        running.promote(("helpfulness", 3, tmp_path / "nothing here"))
        assert wait_until(lambda: "helpfulness@3 cannot be loaded" in running.readiness()["problem"], 30, 0.1)
        assert running.readiness()["models"] == ["helpfulness@2"], "the old one stays"
        assert "helpfulness@2 goes on" in running.readiness()["problem"]
        assert running.answers("/readyz", 200), "or a load balancer would take a scorer away that works"

        torn = tmp_path / "torn"
        shutil.copytree(trained_model, torn)
        weights = torn / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
        running.promote(("helpfulness", 4, torn), ("safety", 1, tmp_path / "nor here"))
        assert wait_until(lambda: "helpfulness@4 cannot be loaded" in running.readiness()["problem"], 30, 0.1)
        assert running.answers("/readyz", 503), "of safety there is no version at all"
        with ScorerClient(running.url) as mine:
            assert mine.score("helpfulness", [(PROMPT, ["Blue."])]).version == 2
        running.promote()
        assert wait_until(running.serves, 30, 0.1)
    finally:
        assert running.stop() in (0, -signal.SIGTERM)


def test_with_a_token_it_answers_those_who_have_it(tmp_path):
    running = Running(tmp_path, SCORER_TOKEN="open sesame")
    try:
        with ScorerClient(running.url) as stranger, pytest.raises(ScorerRefused, match="token"):
            stranger.models()
        with ScorerClient(running.url, "open sesame") as friend:
            assert friend.models() == []
    finally:
        running.stop()
