import dataclasses
import functools
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotate.jobs.models import Job
from annotate.projects.services import create_project
from tests.training.reward.registered import make_model, make_set
from training import artifacts
from training.policy.models import Checkpoint
from training.reward.api.serializers import TrainingOptionsSerializer
from training.reward.models import CrossFit, ExternalEvaluation, ModelComparison, RewardModel
from training.reward.options import CHOICES, TrainingOptions
from training.reward.services import promote

STAT = {"value": 0.7, "low": 0.6, "high": 0.8, "n": 90, "n_prompts": 80, "too_few": False}
REPORT = {"accuracy": STAT, "baselines": {"longer": {**STAT, "value": 0.6}, "always_a": {**STAT, "value": 0.5}}}
SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}
TRAIN = {"owner": 200, "researcher": 200, "reviewer": 403, "labeller": 403, "outsider": 404}


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/reward-models"


@pytest.fixture
def model(cast):
    return make_model(cast.project, report=REPORT)


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, model, who, status):
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{model.pk}").status_code == status


@pytest.mark.parametrize(("who", "status"), TRAIN.items())
def test_who_may_promote_and_retire_them(cast, url, model, who, status):
    client = cast.client(getattr(cast, who))
    for action in ("promote", "retire"):
        assert client.post(f"{url}/{model.pk}/{action}", {"reason": "seen"}, format="json").status_code == status


@pytest.mark.parametrize(("who", "status"), (TRAIN | {"owner": 201, "researcher": 201}).items())
def test_who_may_train_one(cast, url, who, status):
    body = {"comparison_set_id": make_set(cast.project).pk, "training": {"epochs": 1}}
    assert cast.client(getattr(cast, who)).post(url, body, format="json").status_code == status


def test_it_shows_accuracy_with_interval_beside_the_baselines(cast, url, model):
    (row,) = cast.client(cast.researcher).get(url).json()["results"]
    assert row["metrics"]["accuracy"] == {"value": 0.7, "low": 0.6, "high": 0.8, "n": 90, "too_few": False}
    assert row["metrics"]["baselines"]["longer"]["value"] == 0.6
    assert row["metrics"]["baselines"]["always_a"]["value"] == 0.5
    assert row["metrics"]["n_test"] == 90
    assert row["comparison_set"] == {"id": model.comparison_set_id, "number": 1}


def test_one_without_a_report_has_no_figures_rather_than_zeros(cast, url):
    make_model(cast.project, "training")
    (row,) = cast.client(cast.researcher).get(url).json()["results"]
    assert row["metrics"]["accuracy"] == {"value": None, "low": None, "high": None, "n": 0, "too_few": True}


def test_its_lineage_goes_down_to_ratings_and_guidelines(cast, url, model):
    lineage = cast.client(cast.reviewer).get(f"{url}/{model.pk}").json()["lineage"]
    assert lineage["n_ratings"] == 360 and lineage["n_labellers"] == 3
    assert lineage["guideline_versions"] == [1, 2]
    assert lineage["comparison_set"]["digest"] == model.comparison_set.digest


def test_a_promotion_needs_a_reason(cast, url, model):
    answer = cast.client(cast.owner).post(f"{url}/{model.pk}/promote", {}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "reason"


def test_training_is_queued_for_the_gpu(cast, url):
    body = {"comparison_set_id": make_set(cast.project).pk, "training": {"epochs": 2}}
    answer = cast.client(cast.researcher).post(url, body, format="json")
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    assert (job.kind, job.queue, job.state) == ("train", "gpu", "queued")
    assert answer.json()["config"] == {"options": {"epochs": 2}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_model": "../../etc/passwd"}, "base_model"),
        ({"base_model": "/models/../secret"}, "base_model"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"learning_rate": 5}}, "training.learning_rate"),
        ({"training": {"margin_map": {"9": 1.0}}}, "training.margin_map"),
        ({"training": {"tuning": "none"}}, "training.tuning"),
        ({"n_members": 17}, "n_members"),
    ],
)
def test_it_refuses_options_that_cannot_be(cast, url, body, field):
    body = {"comparison_set_id": make_set(cast.project).pk} | body
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


def test_every_option_of_the_api_is_one_of_the_engines(cast, url):
    """Names and choices: the engine would refuse a config with others. `start` it knows as a place."""
    from training.engine.reward.trainer import RewardTrainConfig

    engine = {field.name: field for field in dataclasses.fields(RewardTrainConfig)}
    mine = {field.name for field in dataclasses.fields(TrainingOptions)}
    assert mine - {"start"} <= set(engine)
    assert mine == set(TrainingOptionsSerializer().fields)
    for name, choices in CHOICES.items():
        if name == "start":
            continue
        assert set(choices) == set(engine[name].metadata["choices"])


def test_what_was_chosen_is_kept_and_nothing_else(cast, url):
    chosen = {"tuning": "lora", "margin_map": {"1": 0.0, "2": 1.5}, "centring": 0.01, "gradient_checkpointing": True}
    body = {"comparison_set_id": make_set(cast.project).pk, "training": chosen, "n_members": 3}
    answer = cast.client(cast.researcher).post(url, body, format="json").json()
    assert answer["config"] == {"options": chosen}
    assert answer["n_members"] == 3


def test_a_noise_treatment_needs_the_noise_to_be_known(cast, url):
    made = make_set(cast.project)
    body = {"comparison_set_id": made.pk, "training": {"noise_treatment": "flip"}}
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_strengths")
    CrossFit.objects.create(comparison_set=made, strengths_uri="/tmp/x", finished_at=timezone.now())
    assert cast.client(cast.researcher).post(url, body, format="json").status_code == 201


def test_a_blocked_promotion_says_why_until_somebody_insists(cast, url):
    model = make_model(cast.project, report={"accuracy": {**STAT, "low": 0.4}})
    client = cast.client(cast.researcher)
    (row,) = client.get(url).json()["results"]
    assert [block["code"] for block in row["blocks"]] == ["coin_toss"]
    assert row["promotion_rank"] is None
    refused = client.post(f"{url}/{model.pk}/promote", {"reason": "x"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "promotion_blocked")
    assert refused.json()["blocks"] == row["blocks"]
    done = client.post(f"{url}/{model.pk}/promote", {"reason": "x", "is_forced": True}, format="json").json()
    assert (done["state"], done["blocks"], done["promotion_rank"]) == ("promoted", [], 1)
    (promotion,) = done["promotions"]
    assert promotion["is_forced"] is True and promotion["blocks"] == row["blocks"]
    assert (promotion["actor"], promotion["replaced"]) == ("researcher", None)


@pytest.mark.parametrize(("who", "status"), TRAIN.items())
def test_who_may_roll_back(cast, url, who, status):
    for _ in range(2):
        promote(model=make_model(cast.project, report=REPORT), reason="x", actor=None)
    answer = cast.client(getattr(cast, who)).post(f"{url}/roll-back", {"reason": "worse"}, format="json")
    assert answer.status_code == status
    if status == 200:
        assert (answer.json()["version"], answer.json()["state"]) == (1, "promoted")
        assert answer.json()["promotions"][0]["is_roll_back"] is True


def test_rules_are_read_and_changed(cast, url):
    assert cast.client(cast.reviewer).get(f"{url}/rules").json() == {
        "max_length_correlation": 0.5,
        "min_advantage": None,
        "must_beat_promoted": True,
        "min_batch_comparisons": 30,
    }
    client = cast.client(cast.researcher)
    answer = client.patch(f"{url}/rules", {"max_length_correlation": None, "min_advantage": 0.02}, format="json")
    assert answer.status_code == 200
    told = client.get(f"{url}/rules").json()
    assert (told["max_length_correlation"], told["min_advantage"], told["must_beat_promoted"]) == (None, 0.02, True)
    assert client.patch(f"{url}/rules", {"max_length_correlation": 2}, format="json").status_code == 400
    assert cast.client(cast.reviewer).patch(f"{url}/rules", {"min_advantage": 0}, format="json").status_code == 403


def test_two_models_are_compared_on_the_newer_ones_set(cast, url):
    older, newer = make_model(cast.project), make_model(cast.project)
    client = cast.client(cast.researcher)
    answer = client.post(f"{url}/compare", {"a_id": newer.pk, "b_id": older.pk}, format="json")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    assert (job.kind, job.queue) == ("compare_models", "gpu")
    found = client.get(f"{url}/compare/{answer.json()['id']}").json()
    assert (found["a"]["version"], found["b"]["version"], found["report"]) == (2, 1, None)
    assert found["comparison_set"]["id"] == newer.comparison_set_id
    (row,) = client.get(f"{url}/compare").json()["results"]
    assert row["id"] == found["id"] and "report" not in row


@pytest.mark.parametrize(
    ("state", "is_same", "code"), [("candidate", True, "same_model"), ("training", False, "not_trained")]
)
def test_what_cannot_be_compared_is_refused(cast, url, model, state, is_same, code):
    other = model if is_same else make_model(cast.project, state)
    answer = cast.client(cast.owner).post(f"{url}/compare", {"a_id": model.pk, "b_id": other.pk}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_another_projects_model_is_not_compared(cast, url, model):
    theirs = make_model(create_project(owner=cast.owner, name="Other"))
    body = {"a_id": model.pk, "b_id": theirs.pk}
    assert cast.client(cast.owner).post(f"{url}/compare", body, format="json").status_code == 404
    made = ModelComparison.objects.create(
        project=theirs.project, a=theirs, b=make_model(theirs.project), comparison_set=theirs.comparison_set
    )
    assert cast.client(cast.owner).get(f"{url}/compare/{made.pk}").status_code == 404


def test_an_external_set_is_kept_and_queued(cast, url, model):
    file = SimpleUploadedFile("bench.jsonl", b'{"id": "1"}\n')
    client = cast.client(cast.researcher)
    answer = client.post(f"{url}/{model.pk}/external", {"file": file, "name": "Bench"}, format="multipart")
    assert answer.status_code == 202
    row = ExternalEvaluation.objects.get(pk=answer.json()["id"])
    assert artifacts.read_file(row.file_url) == b'{"id": "1"}\n'
    assert (row.name, row.filename, str(row.job_id)) == ("Bench", "bench.jsonl", answer.json()["job"]["id"])
    assert (row.job.kind, row.job.queue) == ("external_evaluation", "gpu")
    (listed,) = client.get(f"{url}/{model.pk}/external").json()["results"]
    (shown,) = client.get(f"{url}/{model.pk}").json()["external"]
    assert listed == shown and shown["report"] is None and shown["name"] == "Bench"


def test_files_that_are_too_large_or_of_another_kind_are_refused(cast, url, model, monkeypatch):
    client = cast.client(cast.researcher)

    def upload(name: str):
        file = SimpleUploadedFile(name, b"x" * 20)
        return client.post(f"{url}/{model.pk}/external", {"file": file}, format="multipart")

    assert (upload("a.csv").status_code, upload("a.csv").json()["code"]) == (400, "unknown_file_kind")
    monkeypatch.setattr("training.reward.external.MAX_BYTES", 19)
    assert (upload("a.jsonl").status_code, upload("a.jsonl").json()["code"]) == (413, "file_too_large")
    assert not ExternalEvaluation.objects.exists()


def test_label_noise_is_asked_for_and_shown(cast):
    found = make_set(cast.project)
    url = f"/api/v1/projects/{cast.project.slug}/comparison-sets/{found.pk}/noise"
    client = cast.client(cast.researcher)
    assert client.get(url).json() == {
        "state": "none", "job": None, "finished_at": None, "summary": None, "suspicious": [],
    }  # fmt: skip
    answer = client.post(url, {"n_folds": 3, "training": {"epochs": 1}}, format="json")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["id"])
    assert (job.kind, job.queue, client.get(url).json()["state"]) == ("noise", "gpu", "queued")
    assert CrossFit.objects.get().config == {"options": {"epochs": 1}, "n_folds": 3, "n_repeats": 1}
    refused = client.post(url, {"training": {"noise_treatment": "drop"}}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "cross_fit_of_strengths")
    assert client.post(url, {"n_folds": 1}, format="json").status_code == 400


def test_card_and_report_are_files(cast, url, tmp_path):
    model = make_model(
        cast.project, report=REPORT | {"format": "touchstone.reward_report/2"}, artifact_uri=str(tmp_path)
    )
    client = cast.client(cast.reviewer)
    report = client.get(f"{url}/{model.pk}/report")
    assert json.loads(report.content)["accuracy"]["value"] == 0.7
    assert report["Content-Disposition"] == 'attachment; filename="helpfulness-v1.json"'
    untrained = make_model(cast.project, "training")
    for name, code in (("card", "no_card"), ("report", "no_report")):
        answer = client.get(f"{url}/{untrained.pk}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (409, code)


@pytest.mark.parametrize(("who", "is_named"), [("owner", True), ("reviewer", True), ("researcher", False)])
def test_labellers_are_named_to_those_who_may_know_them(cast, url, model, who, is_named):
    person, gone = cast.labeller, "L-22222222"
    sources = {"labellers": {gone: 3, person.pseudonym: 40}, "guideline_versions": {"1": 12, "2": 30}}
    RewardModel.objects.filter(pk=model.pk).update(sources=sources)
    lineage = cast.client(getattr(cast, who)).get(f"{url}/{model.pk}").json()["lineage"]
    assert lineage["labellers"] == [
        {"id": person.pk, "name": "labeller" if is_named else person.pseudonym, "n_ratings": 40},
        {"id": None, "name": gone, "n_ratings": 3},
    ]
    assert lineage["guidelines"] == [{"number": 1, "n_comparisons": 12}, {"number": 2, "n_comparisons": 30}]


def test_lineage_goes_up_to_the_policies_that_used_it(cast, url, model):
    make = functools.partial(Checkpoint.objects.create, pool=cast.project.pool, path="/x")
    used = make(name="ppo-1", kind="policy", metrics={"reward_model": model.pk})
    make(name="ppo-2", kind="policy", metrics={"reward_model": model.pk + 1})
    (policy,) = cast.client(cast.owner).get(f"{url}/{model.pk}").json()["lineage"]["policies"]
    assert (policy["id"], policy["name"]) == (used.pk, "ppo-1")


def test_a_list_costs_the_same_however_long_it_is(cast, url, django_assert_num_queries):
    """Of its own: the page, the rules, what is in use, promotions, and comparisons with it."""
    client = cast.client(cast.owner)
    promote(model=make_model(cast.project, report=REPORT), reason="x", actor=None)
    make_model(cast.project, report=REPORT)
    with django_assert_num_queries(6):
        client.get(url)
    for _ in range(3):
        make_model(cast.project, report=REPORT)
    with django_assert_num_queries(6):
        rows = client.get(url).json()["results"]
    assert [[block["code"] for block in row["blocks"]] for row in rows] == [["promoted_not_judged"]] * 4 + [[]]


def test_another_projects_model_is_not_found(cast, url, model):
    other = f"/api/v1/projects/{create_project(owner=cast.owner, name='Other').slug}/reward-models/{model.pk}"
    assert cast.client(cast.owner).get(other).status_code == 404


def test_scoring_without_a_promoted_model_says_so(cast, model):
    url = f"/api/v1/projects/{cast.project.slug}/score"
    body = {"messages": [{"role": "user", "content": "Hi"}], "completions": ["Hello"]}
    answer = cast.client(cast.researcher).post(url, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")


@pytest.mark.parametrize(("who", "status"), (SEE | dict.fromkeys(("owner", "researcher", "reviewer"), 409)).items())
def test_labellers_are_shown_no_rewards(cast, who, status):
    url = f"/api/v1/projects/{cast.project.slug}/score"
    body = {"messages": [{"role": "user", "content": "Hi"}], "completions": ["Hello"]}
    assert cast.client(getattr(cast, who)).post(url, body, format="json").status_code == status
