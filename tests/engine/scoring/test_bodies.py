"""What the scorer answers to our own body, to those of other servers, and in msgpack; ensembles and combinations."""

import json
import math
import shutil

import httpx
import msgpack
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.engine.scoring.running import PROMPT, serving
from training.engine.reward.combine import Scale, combined
from training.engine.reward.ensemble import RewardEnsemble
from training.engine.reward.length import LengthCalibration
from training.engine.reward.model import RewardModel
from training.engine.reward.outside import FeatureRange
from training.engine.scoring.client import ScorerClient, ScorerRefused, reward_function

COMPLETIONS = ["Blue.", "I do not know, and I do not care.", "Red is a colour; so are green and yellow."]
CALIBRATION = {"coefficient": 0.5, "scale": 20.0, "centre": 30.0}


def changed(source, target, *, n_heads=1, **metadata):
    """A copy of a trained model with something else in its touchstone.json, and with more heads."""
    shutil.copytree(source, target)
    path = target / "touchstone.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | metadata))
    if n_heads > 1:
        head = RewardModel.load(source).head.weight.detach().numpy()
        rng = np.random.default_rng(0)
        heads = head + rng.normal(0, head.std(), (n_heads, head.shape[1])).astype(np.float32)
        save_file({"weight": heads, "reward_mean": np.zeros(n_heads, dtype=np.float32)}, target / "heads.safetensors")
    return target


@pytest.fixture(scope="module")
def paths(tmp_path_factory, trained_model):
    at = tmp_path_factory.mktemp("models")
    return {
        "helpfulness": changed(trained_model, at / "h", axis="helpfulness", length_calibration=CALIBRATION),
        "safety": changed(trained_model, at / "s", axis="safety", reward_mean=0.3, length_calibration=None),
        "several": changed(trained_model, at / "e", n_heads=3),
    }


@pytest.fixture(scope="module")
def scorer(tmp_path_factory, paths):
    models = [(name, number, path) for number, (name, path) in enumerate(paths.items(), 1)]
    with serving(tmp_path_factory.mktemp("scorer"), *models) as running:
        yield running


@pytest.fixture
def client(scorer):
    with ScorerClient(scorer.url) as made:
        yield made


@pytest.fixture
def post(scorer):
    def post(path, body):
        return httpx.post(scorer.url + path, json=body, timeout=30, trust_env=False)

    return post


def rewards_of(path, completions=COMPLETIONS):
    return RewardModel.load(path).score([(PROMPT, completion) for completion in completions])


def test_an_ensemble_tells_what_each_member_says(client, paths):
    (item,) = client.score("several", [(PROMPT, COMPLETIONS)]).items
    ensemble = RewardEnsemble.load(paths["several"])
    expected = ensemble.score_members([(PROMPT, completion) for completion in COMPLETIONS])
    assert np.asarray(item.members) == pytest.approx(expected.T, abs=1e-4)
    assert item.uncertainty == pytest.approx(expected.std(axis=0).tolist(), abs=1e-4)
    assert item.rewards == pytest.approx(expected.mean(axis=0).tolist(), abs=1e-4)
    (measured,) = client.score("several", [(PROMPT, COMPLETIONS)], distances=True).items
    assert (measured.distances is None) == (FeatureRange.load(paths["several"]) is None)
    assert np.asarray(measured.members) == pytest.approx(expected.T, abs=1e-4)
    (alone,) = client.score("helpfulness", [(PROMPT, COMPLETIONS)]).items
    assert (alone.members, alone.uncertainty) == (None, None)


def test_length_is_taken_out_where_the_model_was_calibrated(client):
    calibrated, without = (client.score(name, [(PROMPT, COMPLETIONS)]).items[0] for name in ("helpfulness", "safety"))
    expected = LengthCalibration(**CALIBRATION).apply(calibrated.rewards, [len(one) for one in COMPLETIONS])
    assert calibrated.calibrated == pytest.approx(expected.tolist())
    assert without.calibrated is None


@pytest.mark.parametrize("name", ["safety+safety", "safety+safety@2"])
def test_a_model_is_combined_with_itself_by_nobody(client, name):
    with pytest.raises(ScorerRefused, match="different models"):
        client.score(name, [(PROMPT, ["x"])])


@pytest.mark.parametrize("name", ["helpfulness+safety", "safety+helpfulness", "helpfulness@1+safety@2"])
def test_helpfulness_and_safety_are_combined_by_the_rule(post, paths, name):
    asked = {"messages": PROMPT, "completions": COMPLETIONS}
    answer = post("/v1/score", {"model": name, "items": [asked, asked | {"is_safety_prompt": True}]}).json()
    h, s = rewards_of(paths["helpfulness"]), rewards_of(paths["safety"])
    mean = RewardModel.load(paths["helpfulness"]).metadata["reward_mean"]
    for item, is_safety in zip(answer["items"], (False, True), strict=True):
        by_rule = combined(h, s, [is_safety] * 3, helpful_scale=Scale(mean), safe_scale=Scale(0.3))
        assert item["rewards"] == pytest.approx(by_rule.tolist(), abs=1e-4)
        assert item["by_model"]["helpfulness"]["rewards"] == pytest.approx(h, abs=1e-4)
    assert answer["version"] is None
    assert {(one["name"], one["version"]) for one in answer["models"]} == {("helpfulness", 1), ("safety", 2)}


def test_what_is_too_long_is_cut_or_refused_as_asked(client):
    items = [(PROMPT, ["Blue."]), (PROMPT, ["Blue.", "Red, of course! " * 80])]
    cut = client.score("safety", items, too_long="truncate").items
    assert [one.truncated for one in cut] == [[False], [False, True]]
    kept, refused = client.score("safety", items, too_long="refuse").items
    assert kept.rewards and not kept.error
    assert "completions[1]: longer than the" in refused.error and "safety@2" in refused.error
    with pytest.raises(ScorerRefused, match="too_long"):
        client.score("safety", items, too_long="whatever")


def test_msgpack_goes_in_and_comes_out(scorer, paths):
    body = {"model": "safety", "items": [{"messages": PROMPT, "completions": COMPLETIONS}]}
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    answer = httpx.post(f"{scorer.url}/v1/score", content=msgpack.packb(body), headers=headers, trust_env=False)
    assert answer.headers["content-type"] == "application/msgpack"
    (item,) = msgpack.unpackb(answer.content)["items"]
    assert item["rewards"] == pytest.approx(rewards_of(paths["safety"]), abs=1e-4)
    broken = httpx.post(f"{scorer.url}/v1/score", content=b"\xc1", headers=headers, trust_env=False)
    assert (broken.status_code, msgpack.unpackb(broken.content)["error"]["code"]) == (400, "not_msgpack")


@pytest.mark.parametrize("with_prompts", [True, False])
def test_openrlhf_gets_the_same_rewards_for_its_rendered_texts(post, paths, with_prompts):
    encoder = RewardModel.load(paths["safety"]).encoder
    prompt = encoder.prompt_text(PROMPT)
    queries = [prompt + encoder.completion_text(PROMPT, completion) for completion in COMPLETIONS]
    body = {"model": "safety", "query": queries, "labels": [""] * 3}
    if with_prompts:
        body["prompts"] = [prompt] * 3
    answer = post("/get_reward", body).json()
    assert answer["rewards"] == pytest.approx(rewards_of(paths["safety"]), abs=1e-4)
    assert answer["scores"] == answer["rewards"]
    bad = post("/get_reward", {"model": "safety", "query": ["x", ""]})
    assert bad.status_code == 422 and bad.json()["error"]["message"].startswith("query[1]: ")


def test_a_text_that_the_template_made_is_read_as_in_training(post, paths):
    """The template itself ends in a new line, which training does not read."""
    tokenizer = RewardModel.load(paths["safety"]).tokenizer
    turns = [[*PROMPT, {"role": "assistant", "content": completion}] for completion in COMPLETIONS]
    texts = [tokenizer.apply_chat_template(one, tokenize=False) for one in turns]
    assert texts[0] != texts[0].rstrip()
    found = post("/classify", {"model": "safety", "input": texts, "use_activation": False}).json()["data"]
    assert [one["probs"][0] for one in found] == pytest.approx(rewards_of(paths["safety"]), abs=1e-4)
    prompt = tokenizer.apply_chat_template(PROMPT, tokenize=False, add_generation_prompt=True)
    rewards = post("/get_reward", {"model": "safety", "query": texts, "prompts": [prompt] * 3}).json()["rewards"]
    assert rewards == pytest.approx(rewards_of(paths["safety"]), abs=1e-4)


def test_a_rendered_text_that_is_too_long_keeps_its_completion(post, paths):
    encoder = RewardModel.load(paths["safety"]).encoder
    long = encoder.prompt_text([{"role": "user", "content": "word " * 4_000}])
    texts = [long + encoder.completion_text(PROMPT, completion) for completion in COMPLETIONS]
    body = {"model": "safety", "input": texts, "use_activation": False}
    data = post("/classify", body).json()["data"]
    assert len({one["probs"][0] for one in data}) == 3, "each completion is read"
    assert all(one["truncated"] for one in data)
    assert post("/classify", body | {"too_long": "refuse"}).json()["error"]["code"] == "too_long"


def test_flags_are_not_guessed(post):
    item = {"messages": PROMPT, "completions": ["x"], "is_safety_prompt": "false"}
    assert (
        "is_safety_prompt"
        in post("/v1/score", {"model": "safety", "items": [item]}).json()["items"][0]["error"]["message"]
    )
    body = {"model": "safety", "text_1": "a", "text_2": "b", "use_activation": 0}
    assert post("/score", body).status_code == 422


def test_an_empty_completion_is_none(post):
    answer = post("/get_reward", {"model": "safety", "query": ["a prompt"], "prompts": ["a prompt"]})
    assert answer.status_code == 422 and "no completion" in answer.json()["error"]["message"]


def test_a_template_that_refuses_a_prompt_costs_the_others_nothing(tmp_path, trained_model):
    strict = changed(trained_model, tmp_path / "strict")
    config = json.loads((strict / "tokenizer_config.json").read_text())
    for file in strict.glob("chat_template*"):
        file.unlink()
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    template = RewardModel.load(trained_model).tokenizer.chat_template
    (strict / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": refusal + template}))
    system = [{"role": "system", "content": "Be brief."}, *PROMPT]
    with serving(tmp_path, ("strict", 1, strict)) as running, ScorerClient(running.url) as client:
        good, bad = client.score("strict", [(PROMPT, ["Blue."]), (system, ["Blue."])]).items
        assert good.rewards and "no system turns" in bad.error


def test_what_is_no_number_is_no_reward(tmp_path, trained_model):
    broken = changed(trained_model, tmp_path / "broken")
    model = RewardModel.load(broken)
    model.head.weight.data.fill_(float("nan"))
    model.model.save_pretrained(broken)
    models = ("broken", 1, broken), ("fine", 1, trained_model)
    with serving(tmp_path, *models) as running, ScorerClient(running.url) as client:
        for name in ("broken", "broken+fine"):
            (item,) = client.score(name, [(PROMPT, ["Blue."])]).items
            assert "no finite reward" in item.error and not item.rewards
        assert "NaN" not in httpx.get(f"{running.url}/metrics", trust_env=False).text.replace("_created", "")


def test_classify_answers_as_vllm_does(post, paths):
    encoder = RewardModel.load(paths["safety"]).encoder
    texts = [encoder.prompt_text(PROMPT) + encoder.completion_text(PROMPT, one) for one in COMPLETIONS]
    expected = rewards_of(paths["safety"])
    answer = post("/classify", {"model": "safety", "input": texts}).json()
    assert [one["probs"] for one in answer["data"]] == [
        [pytest.approx(1 / (1 + math.exp(-reward)), abs=1e-4)] for reward in expected
    ]
    assert [one["index"] for one in answer["data"]] == [0, 1, 2]
    raw = post("/classify", {"model": "safety", "input": texts[0], "use_activation": False}).json()
    assert raw["data"][0]["probs"] == [pytest.approx(expected[0], abs=1e-4)]
    chat = [*PROMPT, {"role": "assistant", "content": COMPLETIONS[1]}]
    by_turns = post("/classify", {"model": "safety", "messages": chat, "use_activation": False}).json()
    assert by_turns["data"][0]["probs"] == [pytest.approx(expected[1], abs=1e-4)]
    assert by_turns["usage"]["prompt_tokens"] > 0 and by_turns["model"] == "safety@2"


def test_score_answers_as_vllm_does(post, paths):
    body = {"model": "safety", "text_1": PROMPT[0]["content"], "text_2": COMPLETIONS, "use_activation": False}
    answer = post("/score", body).json()
    assert [one["score"] for one in answer["data"]] == pytest.approx(rewards_of(paths["safety"]), abs=1e-4)
    assert {one["object"] for one in answer["data"]} == {"score"}
    assert post("/score", body | {"text_1": ["a", "b"]}).status_code == 422


def test_a_body_without_a_model_needs_one_where_several_are_served(post):
    answer = post("/get_reward", {"query": ["x"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_model")


def test_trls_reward_function_takes_texts_and_conversations(scorer, paths):
    reward = reward_function(scorer.url, "safety", batch_size=2)
    prompts = [PROMPT] * 4 + [[{"role": "user", "content": "And another?"}]]
    texts = [*COMPLETIONS, "", "Green."]
    completions = [[{"role": "assistant", "content": text}] for text in texts]
    found = reward(prompts=prompts, completions=completions, completion_ids=[[1]] * 5, other_column=[0] * 5)
    expected = rewards_of(paths["safety"])
    assert found[:3] == pytest.approx(expected, abs=1e-4)
    assert found[3] is None, "nothing was written, so there is nothing to score"
    assert found[4] is not None
    plain = reward(prompts=[PROMPT[0]["content"]] * 3, completions=COMPLETIONS)
    assert plain == pytest.approx(expected, abs=1e-4)
    assert reward.__name__ == "reward_safety"
    with pytest.raises(ScorerRefused, match="no calibrated rewards"):
        reward_function(scorer.url, "safety", value="calibrated")(prompts=["x"], completions=["y"])
