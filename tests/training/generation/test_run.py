"""Whole generations: a tiny real model in the engine's own process, a real endpoint, a real reward model."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from annotate.jobs.context import JobFailed
from annotate.pool.models import Completion, CompletionSource
from tests.engine.lm.served import chat_server
from tests.training.ratings import make_prompt, running_job
from tests.training.reward.registered import make_model, save_models
from training.generation import services
from training.generation.models import GeneratedCompletion, Generation
from training.generation.options import GenerationOptions
from training.generation.services import create_generation, run_generation
from training.generation.sources import find_sources
from training.policy.models import Checkpoint


def texts_of(generation: Generation) -> set[tuple[int, str, str]]:
    written = Completion.objects.filter(generated_in__generation=generation)
    return set(written.values_list("prompt_id", "source__name", "text"))


def test_it_writes_completions_of_a_policy_with_their_source(cast, prompts, policy, run):
    generation = run(
        {"source": f"checkpoint:{policy.pk}", "n": 2}, {"source": f"checkpoint:{policy.pk}", "temperature": 1.5}
    )
    assert generation.finished_at is not None
    counts = generation.counts
    assert counts["prompts"] == 6
    assert counts["asked"] == 18 == counts["written"] + sum(counts["dropped"].values())
    assert counts["written"] >= 12
    written = Completion.objects.filter(generated_in__generation=generation).select_related("source")
    assert Counter(one.source.name for one in written) == Counter(
        {name: of["written"] for name, of in counts["by_source"].items()}
    )
    assert {one.source.name for one in written} == {"policy-1 · T=0.8 · top-p=0.95", "policy-1 · T=1.5 · top-p=0.95"}
    assert {one.source.kind for one in written} == {"current_policy"}
    assert {one.source.checkpoint for one in written} == {policy.path}
    assert {one.n_tokens for one in written} <= set(range(1, 13))
    assert counts["n_tokens"] == sum(one.n_tokens or 0 for one in written)
    for name, temperature in (("policy-1 · T=0.8 · top-p=0.95", 0.8), ("policy-1 · T=1.5 · top-p=0.95", 1.5)):
        for one in written.filter(source__name=name):  # which of them is the first hangs on what is dropped
            given = one.sampling_parameters
            assert (given["temperature"], given["max_new_tokens"]) == (temperature, 12)


@pytest.fixture
def trees():
    """An endpoint the operator allows; its texts tell the seed they were asked with."""
    with chat_server() as server, override_settings(LM_ENDPOINTS=[("trees", server.url, "tree-7b")]):
        yield server


def test_the_next_generation_draws_anew_and_a_finished_one_is_left_alone(cast, prompts, trees, run):
    first, second = run({"source": "endpoint:trees"}), run({"source": "endpoint:trees"})
    assert (first.number, second.number) == (1, 2)
    assert first.counts["written"] == second.counts["written"] == 6
    assert run_generation(generation=first, context=running_job(cast.project)) == first
    assert len(trees.requests) == Completion.objects.count() - 12 == 12


def test_a_run_that_dies_while_it_stores_ends_with_the_same_texts(cast, prompts, trees, monkeypatch):
    """Again and again, in the end on a machine without the first one's files. Nothing is stored or counted twice."""
    mix = [{"source": "endpoint:trees", "n": 2}, {"source": "pool", "kind": "random"}]
    monkeypatch.setattr(services, "BATCH", 4)
    options = GenerationOptions.parse({"mix": mix})
    whole = run_generation(
        generation=create_generation(project=cast.project, options=options), context=running_job(cast.project)
    )
    expected, counts = texts_of(whole), whole.counts
    assert len(expected) == counts["written"] > 10
    Completion.objects.filter(generated_in__generation=whole).delete()
    Generation.objects.all().delete()

    again = create_generation(project=cast.project, options=options)
    assert again.number == 1
    context = running_job(cast.project)
    store = services._store
    n_calls = 0

    def dies(*arguments):
        nonlocal n_calls
        n_calls += 1
        store(*arguments)
        if n_calls % 2 == 0:
            raise KeyboardInterrupt  # inside the transaction: this batch is lost

    monkeypatch.setattr(services, "_store", dies)
    n_deaths = 0
    while again.finished_at is None:
        try:
            again = run_generation(generation=again, context=context)
        except KeyboardInterrupt:
            n_deaths += 1
            if n_deaths == 4:
                shutil.rmtree(settings.VAR_DIR / "runs" / str(context.job.pk))
    assert n_deaths >= 6
    assert texts_of(again) == expected
    assert again.counts == counts
    assert GeneratedCompletion.objects.count() == len(expected)


def test_a_random_completion_is_never_the_prompts_own(cast, run):
    """All prompts but two share their completions, so that most draws have to be refused."""
    for number in range(8):
        make_prompt(cast.project, f"Question {number}?", ["yes of course", "no not at all"])
    make_prompt(cast.project, "Who?", ["nobody knows"])
    make_prompt(cast.project, "Bare?", [])
    before = {(one.prompt_id, one.text) for one in Completion.objects.all()}
    generation = run({"source": "pool", "kind": "random", "n": 2})
    written = Completion.objects.filter(generated_in__generation=generation)
    assert {one.source.kind for one in written} == {"random"}
    assert not {(one.prompt_id, one.text) for one in written} & before
    of_prompt = Counter(written.values_list("prompt__excerpt", flat=True))
    assert of_prompt["Bare?"] == of_prompt["Who?"] == 2
    assert of_prompt["Question 3?"] == 1  # there is one text only that is not its own


def test_what_people_wrote_counts_as_it_is(cast, run):
    mine = make_prompt(cast.project, "Who?", ["a", "b", "c"], "human")
    make_prompt(cast.project, "When?", ["noon"])
    generation = run({"source": "pool", "kind": "human", "n": 2})
    assert (generation.counts["already_there"], generation.counts["written"]) == (2, 0)
    assert set(GeneratedCompletion.objects.values_list("completion__prompt_id", flat=True)) == {mine.pk}
    assert CompletionSource.objects.count() == 2


def test_an_endpoint_writes_and_near_duplicates_are_dropped_by_reason(cast, prompts, trees, run):
    trees.planned.append((503, "busy"))
    # An address is as good as the name, as long as it is one of the list.
    generation = run({"source": f"endpoint:{trees.url}", "n": 2, "temperature": 0.5}, near_duplicate=0.2)
    assert {request["model"] for request in trees.requests} == {"tree-7b"}
    # Seven words a text, the last of them its own: of three runs of five words two are shared.
    assert generation.counts["dropped"] == {"near_duplicate": 6}
    assert (generation.counts["written"], generation.counts["n_tokens"]) == (6, 7 * 6)
    assert list(generation.counts["by_source"]) == ["trees tree-7b · T=0.5 · top-p=0.95"]
    trees.planned.append((400, "too long"))
    prompted = run({"source": "endpoint:trees", "system": "Be wrong."})
    assert trees.requests[-1]["messages"][0] == {"role": "system", "content": "Be wrong."}
    assert (prompted.counts["dropped"], prompted.counts["written"]) == ({"refused": 1}, 5)
    assert {of["kind"] for of in prompted.counts["by_source"].values()} == {"adversarial"}
    written = Completion.objects.filter(generated_in__generation=prompted)
    assert {one.sampling_parameters["system"] for one in written} == {"Be wrong."}


def test_an_endpoint_that_refuses_everything_fails_the_job_with_its_words(cast, prompts, trees, run):
    trees.planned.extend([(400, {"error": {"message": "no such model: tree-7b"}})] * 6)
    with pytest.raises(JobFailed, match="no such model: tree-7b") as failure:
        run({"source": "endpoint:trees"})
    assert failure.value.code == "endpoint_refused"


def test_adversarial_ones_are_the_best_of_many(cast, prompts, policy, run, tmp_path: Path):
    directory = save_models(Path(policy.path), tmp_path)["single"]
    model = make_model(cast.project, artifact_uri=str(directory))
    row = {"source": f"checkpoint:{policy.pk}", "temperature": 1.5, "best_of": 4}
    generation = run({**row, "by": "reward"}, {**row, "by": "disagreement"}, reward_model=model.pk)
    assert 6 <= generation.counts["written"] <= generation.counts["asked"] == 12
    for by in ("reward", "disagreement"):
        written = Completion.objects.filter(source__name=f"policy-1 · T=1.5 · top-p=0.95 · best of 4 by {by}")
        assert {one.source.kind for one in written} == {"adversarial"}
        assert all(isinstance(one.sampling_parameters[by], float) for one in written)


def test_a_path_without_a_model_is_told(cast, prompts, run, tmp_path: Path):
    with pytest.raises(JobFailed) as failure:
        run({"source": f"path:{tmp_path}"})
    assert failure.value.code == "base_model_not_found"


def test_a_policy_that_was_the_current_one_has_two_sources_in_time(cast, prompts, policy):
    options = GenerationOptions.parse({"mix": [{"source": f"checkpoint:{policy.pk}"}]})
    (current,) = find_sources(cast.project, options)
    Checkpoint.objects.create(pool=cast.project.pool, name="policy-2", kind="policy", path=policy.path)
    (early,) = find_sources(cast.project, options)
    made = [services._completion_source(cast.project, source) for source in (current, early, early, current)]
    assert [(one.name, one.kind) for one in made[:2]] == [
        ("policy-1 · T=0.8 · top-p=0.95", "current_policy"),
        ("policy-1 · T=0.8 · top-p=0.95 early_policy", "early_policy"),
    ]
    assert made[2:] == [made[1], made[0]]
