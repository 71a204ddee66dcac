"""Scoring over HTTP: this project's scorer, and what one would otherwise use, the same model, texts and machine.

    pip install -r requirements-bench.txt
    python bench/scoring.py                      # both models; on two CPU cores about a quarter of an hour
    python bench/scoring.py --models 15m --seconds 6 --arms plain ours

Texts are HH-RLHF's (harmless, test): prompts with its two completions, or with eight of its completions (best-of-8).
The model is a decoder of the given size with random weights and a scalar head, in bfloat16 for every arm. Arms:

    pipeline       transformers' text-classification pipeline, in this process, batches of 16
    crossencoder   sentence-transformers' CrossEncoder, in this process, batches of 16
    plain          a FastAPI server that pads each request's texts in batches of 16 as they come, behind a lock
    ours           python -m training.engine.scoring serve

Workloads, each by clients that send their next request when the last is answered: best-of-8 (8 clients, a prompt with
8 completions), pairs (4 clients, 32 prompts with 2 completions), singles (64 clients, one completion). In-process arms
are given as many requests at once as there are clients. Latency is of single requests, one client, with nothing else to
do and beside two clients that send 256 completions at a time. Memory is the server's peak; of peak is the share of this
machine's measured bf16 matrix product that 2 · parameters without embeddings · tokens would take, counting every text
with its own prompt: work that was saved counts as work that was done.

Rewards are compared with padded float32 ones: RMS and largest difference in standard deviations of those, and how often
two completions of one prompt keep their order.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from reward_training import SHAPES, machine, make_base, matrix_peak, pairs_of  # noqa: E402  # beside this file

ARMS = ("pipeline", "crossencoder", "plain", "ours")
NEEDED = {"crossencoder": "sentence_transformers", "plain": "fastapi"}
BATCH, LENGTH, SEED = 16, 512, 0
Request = list[dict[str, Any]]
"""Items of one request: {"messages", "completions"}."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", choices=[*SHAPES], default=[*SHAPES])
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=[*ARMS])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--serve", nargs=2, metavar=("DIRECTORY", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_plain(Path(options.serve[0]), int(options.serve[1]), options.device)
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as directory:
        for shape in options.models:
            bench(shape, Path(directory), options)
    return None


def bench(shape: str, directory: Path, options: argparse.Namespace) -> None:
    make_base(shape, directory)
    model = directory / f"{shape}-reward"
    n_parameters = make_reward_model(directory / shape, model)
    workloads = requests_of(pairs_of(directory))
    n_tokens = tokens_of_a_completion(model, workloads["pairs"][:20])
    peak = matrix_peak(options.device)
    print(f"{shape}: {n_parameters / 1e6:.1f}M parameters without embeddings, bf16 product {peak / 1e9:.0f} GFLOP/s")
    expected = reference(model, workloads["check"][0])
    found: dict[str, dict[str, Any]] = {}
    for arm in options.arms:
        if (package := NEEDED.get(arm)) and importlib.util.find_spec(package) is None:
            print(f"  {arm}: left out, {package} is not installed (pip install -r requirements-bench.txt)")
            continue
        found[arm] = measure(arm, model, workloads, options, directory)
        report(arm, found, expected, 2 * n_parameters * n_tokens / peak)
    print(flush=True)


def make_reward_model(base: Path, path: Path) -> int:
    """Write the base with a scalar head; returns its parameters without embeddings."""
    from training.engine.reward.model import RewardModel

    model = RewardModel.from_base(str(base), max_length=LENGTH, seed=SEED)
    model.metadata = {"max_length": LENGTH, "reward_mean": 0.0, "reward_std": 1.0}
    model.save(path)
    embeddings = model.model.get_input_embeddings().weight.numel()
    return sum(one.numel() for one in model.model.parameters()) - embeddings


def requests_of(rows: list[dict[str, Any]]) -> dict[str, list[Request]]:
    """Requests of each workload, and of the check."""
    rng = random.Random(SEED)
    texts = [row[side] for row in rows for side in ("chosen", "rejected")]

    def item(row: dict[str, Any], completions: list[str]) -> dict[str, Any]:
        return {"messages": row["prompt"], "completions": completions}

    pairs = [item(row, [row["chosen"], row["rejected"]]) for row in rows]
    return {
        "best-of-8": [[item(row, rng.sample(texts, 8))] for row in rows],
        "pairs": [pairs[start : start + 32] for start in range(0, len(pairs) - 32, 32)],
        "singles": [[item(row, [row["chosen"]])] for row in rows],
        "bulk": [pairs[start : start + 128] for start in range(0, len(pairs) - 128, 128)],
        "check": [pairs[:200]],
    }


CLIENTS = {"best-of-8": 8, "pairs": 4, "singles": 64}


# --- arms ---
def measure(
    arm: str, model: Path, workloads: dict[str, list[Request]], options: argparse.Namespace, directory: Path
) -> dict[str, Any]:
    if arm in ("pipeline", "crossencoder"):
        context = multiprocessing.get_context("spawn")  # so that its memory is its own
        with context.Pool(1) as pool:
            return pool.apply(in_process, (arm, str(model), workloads, options.seconds, options.device))
    with Server(arm, model, directory, options.device) as server:
        result: dict[str, Any] = {"rewards": server.score(workloads["check"][0])}
        for name, n_clients in CLIENTS.items():
            load(server, workloads[name], n_clients, 2.0)  # to warm up
            result[name] = load(server, workloads[name], n_clients, options.seconds)
        result["alone"] = load(server, workloads["singles"], 1, options.seconds)
        bulk = threading.Thread(target=load, args=(server, workloads["bulk"], 2, options.seconds + 2))
        bulk.start()
        time.sleep(1.0)
        result["under bulk"] = load(server, workloads["singles"], 1, options.seconds)
        bulk.join()
        result["memory"] = server.memory()
        return result


def in_process(
    arm: str, model: str, workloads: dict[str, list[Request]], seconds: float, device: str
) -> dict[str, Any]:
    """One after the other, as a program would that has the library only."""
    import resource

    score = {"pipeline": with_pipeline, "crossencoder": with_crossencoder}[arm](model, device)
    result: dict[str, Any] = {"rewards": score(workloads["check"][0])}
    for name, n_clients in CLIENTS.items():
        requests, done = workloads[name], 0
        score(requests[-1])
        began = time.perf_counter()
        for start in range(0, len(requests), n_clients):
            items = [item for request in requests[start : start + n_clients] for item in request]
            score(items)
            done += sum(len(item["completions"]) for item in items)
            if time.perf_counter() - began > seconds:
                break
        result[name] = {"completions_s": done / (time.perf_counter() - began), "latencies": []}
    result["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def rendered(model: str, *, as_pairs: bool = False) -> Callable[[Request], list[Any]]:
    """Items as the texts that the model reads; as (prompt, completion) if asked."""
    from training.engine.reward.model import RewardModel

    encoder = RewardModel.load(model).encoder
    end = encoder.tokenizer.eos_token or ""

    def texts(request: Request) -> list[Any]:
        found: list[Any] = []
        for item in request:
            prompt = encoder.prompt_text(item["messages"])
            completions = [encoder.completion_text(item["messages"], one) + end for one in item["completions"]]
            found += [(prompt, one) if as_pairs else prompt + one for one in completions]
        return found

    return texts


def with_pipeline(model: str, device: str) -> Callable[[Request], list[float]]:
    import torch
    from transformers import pipeline

    texts = rendered(model)
    pipe = pipeline("text-classification", model=model, dtype=torch.bfloat16, device=device)
    tokenizer: Any = pipe.tokenizer
    tokenizer.truncation_side = "left"

    def score(request: Request) -> list[float]:
        options = {"batch_size": BATCH, "truncation": True, "max_length": LENGTH, "add_special_tokens": False}
        return [one["score"] for one in pipe(texts(request), function_to_apply="none", **options)]

    return score


def with_crossencoder(model: str, device: str) -> Callable[[Request], list[float]]:
    import torch
    from sentence_transformers import CrossEncoder

    # It reads pairs of texts and joins them: prompt and completion.
    texts = rendered(model, as_pairs=True)
    encoder = CrossEncoder(
        model, device=device, max_length=LENGTH, model_kwargs={"dtype": torch.bfloat16},
        tokenizer_kwargs={"truncation_side": "left"}, activation_fn=torch.nn.Identity(),
    )  # fmt: skip

    def score(request: Request) -> list[float]:
        return [float(one) for one in encoder.predict(texts(request), batch_size=BATCH)]

    return score


def serve_plain(model_path: Path, port: int, device: str) -> None:
    """What one writes in an afternoon, after OpenRLHF's serve_rm: a lock, batches of 16, padding to the longest."""
    import torch
    import uvicorn
    from fastapi import FastAPI
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    loaded = AutoModelForSequenceClassification.from_pretrained(model_path, dtype=torch.bfloat16).to(device).eval()
    model: Any = loaded
    tokenizer = AutoTokenizer.from_pretrained(model_path, padding_side="right", truncation_side="left")
    lock = threading.Lock()
    app = FastAPI()

    @app.post("/get_reward")
    def get_reward(body: dict[str, Any]) -> dict[str, list[float]]:
        queries, rewards = body["query"], []
        with lock, torch.inference_mode():
            for start in range(0, len(queries), BATCH):
                batch = tokenizer(
                    queries[start : start + BATCH], padding=True, truncation=True, max_length=LENGTH,
                    add_special_tokens=False, return_tensors="pt",
                ).to(device)  # fmt: skip
                inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
                rewards += model(**inputs).logits[:, 0].float().tolist()
        return {"rewards": rewards}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


class Server:
    """A scoring server as a process of its own: either of the two."""

    def __init__(self, arm: str, model: Path, directory: Path, device: str) -> None:
        import httpx

        from tests.environment import free_port

        self.arm = arm
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.texts = rendered(str(model)) if arm == "plain" else None
        if arm == "plain":
            command = [__file__, "--serve", str(model), str(self.port), "--device", device]
        else:
            registry = directory / "registry.json"
            entry = {"name": "bench", "version": 1, "path": str(model), "state": "promoted"}
            registry.write_text(json.dumps({"models": [entry]}))
            command = ["-m", "training.engine.scoring", "serve", "--registry", str(registry), "--port", str(self.port)]
            command += ["--device", device, "--dtype", "bfloat16"]
        self.process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while True:
            if self.process.poll() is not None:
                raise SystemExit(f"{arm} has ended: {' '.join(command)}")
            try:
                path = "/openapi.json" if arm == "plain" else "/v1/models"
                answer = httpx.get(self.url + path, timeout=5, trust_env=False)
                if answer.status_code == 200 and (arm == "plain" or answer.json()["models"]):
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise SystemExit(f"{arm} does not answer")
            time.sleep(0.2)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def body(self, request: Request) -> tuple[str, dict[str, Any]]:
        if self.texts is not None:
            return "/get_reward", {"query": self.texts(request)}
        return "/v1/score", {"model": "bench", "items": request}

    def score(self, request: Request) -> list[float]:
        import httpx

        path, body = self.body(request)
        answer = httpx.post(self.url + path, json=body, timeout=600, trust_env=False).raise_for_status().json()
        if "rewards" in answer:
            return list(answer["rewards"])
        return [reward for item in answer["items"] for reward in item["rewards"]]

    def memory(self) -> float:
        """Its peak resident memory in MiB; of a system that does not tell, NaN."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.is_file():
            return float("nan")
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024


def load(server: Server, requests: list[Request], n_clients: int, seconds: float) -> dict[str, Any]:
    """Completions a second and latencies, of clients in a process of their own, bodies made beforehand."""
    bodies = [server.body(request) for request in requests[:512]]
    sizes = [sum(len(item["completions"]) for item in request) for request in requests[:512]]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=send, args=(theirs, server.url, bodies, sizes, n_clients, seconds))
    child.start()
    found: dict[str, Any] = ours.recv()
    child.join()
    return found


def send(pipe: Any, url: str, bodies: list[Any], sizes: list[int], n_clients: int, seconds: float) -> None:
    import httpx

    payloads = [(path, json.dumps(body).encode()) for path, body in bodies]
    latencies: list[float] = []
    done = [0] * n_clients
    began = time.perf_counter()

    def client(number: int) -> None:
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=url, headers=headers, timeout=600, trust_env=False) as http:
            at = number * len(payloads) // n_clients
            while time.perf_counter() - began < seconds:
                path, content = payloads[at % len(payloads)]
                sent = time.perf_counter()
                http.post(path, content=content).raise_for_status()
                now = time.perf_counter()
                latencies.append(now - sent)
                if now - began <= seconds:  # what ends later belongs to no second
                    done[number] += sizes[at % len(payloads)]
                at += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(n_clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    pipe.send({"completions_s": sum(done) / seconds, "latencies": sorted(latencies)})


# --- what is told ---
def reference(model: Path, request: Request) -> list[float]:
    """Rewards of padded texts in float32, one by one."""
    import torch

    from training.engine.reward.model import RewardModel
    from training.engine.reward.packing import Padded, lay_out, padded_features

    loaded = RewardModel.load(model)
    rewards = []
    with torch.no_grad():
        for item in request:
            for text in loaded.encoder.encode_group(item["messages"], item["completions"]):
                padded = lay_out([text], pad_id=loaded.tokenizer.pad_token_id, is_padded=True, dtype=torch.float32)
                assert isinstance(padded, Padded)
                rewards.append(float(loaded.head(padded_features(loaded.model, padded))))
    return rewards


def report(arm: str, found: dict[str, Any], expected: list[float], seconds_of_a_completion: float) -> None:
    """`seconds_of_a_completion`: of a pair, at the speed of the largest matrix product."""
    result = found[arm]
    spread = statistics.pstdev(expected)
    errors = [(got - want) / spread for got, want in zip(result["rewards"], expected, strict=True)]
    gaps = [
        (expected[at] - expected[at + 1]) * (result["rewards"][at] - result["rewards"][at + 1]) > 0
        for at in range(0, len(expected), 2)
    ]
    print(f"  {arm}")
    for name in CLIENTS:
        one = result[name]
        beside = found.get("plain", {}).get(name, {}).get("completions_s")
        times = f"{one['completions_s'] / beside:7.1f} x plain" if beside else ""
        latency = _latency(one["latencies"]) if one["latencies"] else ""
        print(f"    {name:<12} {one['completions_s']:8.0f} completions/s {times}   {latency}")
    if "alone" in result:
        alone, bulk = (_quantile(result[name]["latencies"], 0.99) for name in ("alone", "under bulk"))
        print(f"    single, alone       {_latency(result['alone']['latencies'])}")
        print(f"    single, under bulk  {_latency(result['under bulk']['latencies'])}, p99 {bulk / alone:.1f} x alone")
    rms = statistics.fmean(one * one for one in errors) ** 0.5
    print(
        f"    peak memory {result['memory']:.0f} MiB; off by {rms:.4f} (RMS), {max(map(abs, errors)):.4f} (most) "
        f"deviations; {statistics.fmean(gaps):.1%} of pairs in the same order"
    )
    print(f"    of peak: {seconds_of_a_completion * result['pairs']['completions_s']:.0%} (pairs)")


def tokens_of_a_completion(model: Path, requests: list[Request]) -> float:
    """Their mean, each with its own prompt."""
    from training.engine.reward.model import RewardModel

    encoder = RewardModel.load(model).encoder
    return statistics.fmean(
        text.n_tokens
        for request in requests
        for item in request
        for text in encoder.encode_group(item["messages"], item["completions"])
    )


def _quantile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def _latency(latencies: list[float]) -> str:
    return f"p50 {_quantile(latencies, 0.5) * 1e3:.0f} ms, p99 {_quantile(latencies, 0.99) * 1e3:.0f} ms"


if __name__ == "__main__":
    main()
