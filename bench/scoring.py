"""Rewards a second: this project's scorer over HTTP, and what one would use without it. Same model, texts and machine.

    pip install -r requirements-bench.txt
    python bench/scoring.py                       # both models, on two CPU cores about 20 minutes
    python bench/scoring.py --models 15m --workloads best-of-8,singles --arms plain,ours --seconds 4

Texts are HH-RLHF's (harmless, test), those of at most 512 tokens. Without that file nothing is measured: it ends with
the path that it looked for.
The model is a decoder of the given size with random weights and a scalar head, written as transformers writes it, so
that all arms load the same files, in the same dtype and with as many threads. Arms, each a process of its own:

    pipeline       transformers' text-classification pipeline, in batches of 8 and of 16; the quicker of the two counts
    cross-encoder  sentence-transformers' CrossEncoder, which sorts by length, in batches of 16 and of 32, likewise
    plain          a FastAPI server after OpenRLHF's serve_rm: the texts of a request, padded as they come, one forward
                   pass for each micro batch, one request at a time
    ours           python -m training.engine.scoring serve

The first two have no HTTP to do, and get 64 completions of the workload a call. Of the servers each client asks again
when it has been answered, on a connection it keeps; when the time is up it waits for its last answer, and the time ends
with the last of these. Workloads:

    best-of-8      8 clients, each a prompt with 8 completions (two are its own, six are other prompts')
    comparisons    4 clients, each 32 prompts with their two completions
    independent    4 clients, each 64 prompts with one completion
    singles        64 clients, each a prompt with one completion

completions/s are of completions of the workload's mean length: its tokens a second by that length. A slow arm gets
through few texts in its time, which may be shorter or longer than those of the others.

"computed" is the tokens that an arm's forward passes had for each token of a text, a prompt counted with each of its
completions: above 1 by padding, below it by sharing prompts. "of peak" is the share of this machine's measured matrix
product that 2 · parameters without embeddings · those tokens come to; ours is counted without the last layer's MLP on
tokens that no reward is read at, which it leaves out. Attention's own products are counted for nobody.

Latency is of requests of one completion, one after the other with 10 to 50 ms between them: alone, and beside a client
that keeps asking for 64 to 256 completions. Memory is the process's largest resident size on the host. Errors are those
of rewards to transformers' in float32, padded, in standard deviations of these; order is the share of comparisons whose
two completions stand in the same order.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from reward_training import LENGTH, SHAPES, machine, make_base, matrix_peak, pairs_of  # noqa: E402  # beside this file

ARMS = {"pipeline": "", "cross-encoder": "sentence_transformers", "plain": "fastapi", "ours": ""}
"""Each arm, and the package that it needs besides."""
BATCHES = {"pipeline": (8, 16), "cross-encoder": (16, 32)}
WORKLOADS = {"best-of-8": 8, "comparisons": 4, "independent": 4, "singles": 64}
"""How many clients each has."""
CHECKED = {"15m": 400, "135m": 100}
AT_ONCE = 64
LEAST_LATENCIES = 20
SEED = 0


@dataclass(frozen=True)
class Item:
    """A prompt and n completions: as our scorer takes them, and as the text that the model reads."""

    messages: list[dict[str, str]]
    completions: list[str]
    prompt_text: str
    completion_texts: list[str]
    n_prompt: int
    n_completions: list[int]
    """(n,) tokens of each completion, end token included."""


Request = list[Item]


@dataclass
class Load:
    """What came of some clients: n completions in so many seconds, and each request's seconds.

    `n_tokens` has a prompt with each of its completions, `n_computed` what forward passes had.
    """

    n: int = 0
    n_tokens: int = 0
    n_computed: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    how: str = ""

    @property
    def rate(self) -> float:
        """Tokens of texts a second."""
        return self.n_tokens / self.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=_names(SHAPES), default=[*SHAPES], help=f"of {','.join(SHAPES)}")
    parser.add_argument("--workloads", type=_names(WORKLOADS), default=[*WORKLOADS], help=f"of {','.join(WORKLOADS)}")
    parser.add_argument("--arms", type=_names(ARMS), default=[*ARMS], help=f"of {','.join(ARMS)}")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1, help="times each workload is measured; medians are shown")
    parser.add_argument("--checked", type=int, help="comparisons whose rewards are compared (default 400 and 100)")
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=_n_cores(), help="CPU threads of a forward pass")
    parser.add_argument("--micro-batch", type=int, default=8, help="texts of one forward pass of the plain server")
    parser.add_argument("--child", nargs=3, metavar=("ARM", "MODEL", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        arm, path, port = options.child
        run_child(arm, path, int(port), options)
        return

    # Ended from outside, it still ends the processes that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    import torch

    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(options.threads)
    for arm in [arm for arm in options.arms if ARMS[arm] and importlib.util.find_spec(ARMS[arm]) is None]:
        print(f"{arm} is left out: {ARMS[arm]} is not installed (pip install -r requirements-bench.txt)")
        options.arms.remove(arm)
    print(f"{machine()}; {options.dtype} on {options.device}, {options.threads} threads\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        for shape in options.models:
            bench(shape, Path(directory), options)


def bench(shape: str, directory: Path, options: argparse.Namespace) -> None:
    model = Model.made(shape, directory)
    peak = measured_peak(model.path, options)
    print(
        f"{shape}: {model.n_parameters / 1e6:.1f} million parameters without embeddings; "
        f"the largest {options.dtype} matrix product here makes {peak / 1e9:.0f} GFLOP/s\n",
        flush=True,
    )
    checked = model.comparisons[: options.checked or CHECKED[shape]]
    expected = reference(model.path, checked)
    with contextlib.ExitStack() as stack:
        arms: dict[str, Library | Server] = {}
        for name in options.arms:
            arms[name] = (Library if name in BATCHES else Server)(name, model, options)
            stack.enter_context(arms[name])
        found = {name: arm.rewards(checked) for name, arm in arms.items()}
        for workload in options.workloads:
            loads: dict[str, list[Load]] = {arm: [] for arm in arms}
            for round_ in range(options.rounds):
                # One order forwards, the next backwards: a machine that slows down favours nobody.
                for name in list(arms) if round_ % 2 == 0 else list(arms)[::-1]:
                    loads[name].append(arms[name].load(model.requests(workload), WORKLOADS[workload], options.seconds))
            show_workload(workload, model, loads, peak)
        latencies = {
            name: arm.latencies(model, options.seconds) for name, arm in arms.items() if isinstance(arm, Server)
        }
        show_latencies(latencies)
        show_rewards({name: (found[name], arm.peak_mib) for name, arm in arms.items()}, expected)


# --- inputs ---
class Model:
    """A saved reward model of one shape, and requests made of the real comparisons."""

    def __init__(self, path: Path, n_parameters: int, n_last_mlp: int, comparisons: list[Item]) -> None:
        self.path = path
        self.n_parameters = n_parameters
        self.n_last_mlp = n_last_mlp
        self.comparisons = comparisons

    @classmethod
    def made(cls, shape: str, directory: Path) -> Model:
        from training.engine.common.quiet import quiet_transformers
        from training.engine.reward.model import RewardModel

        quiet_transformers()
        make_base(shape, directory)
        # Rewards of about one standard deviation: the error of half precision goes with their size.
        made = RewardModel.from_base(str(directory / shape), max_length=LENGTH, seed=SEED, head_std=1.0)
        made.metadata = {"max_length": LENGTH}
        path = directory / f"{shape}-reward"
        made.save(path)
        parameters = {name: one.numel() for name, one in made.model.named_parameters() if "embed" not in name}
        last = f".{SHAPES[shape]['num_hidden_layers'] - 1}.mlp."
        rows = pairs_of(directory)
        comparisons = [item for row in rows if (item := _item(made.encoder, row)) is not None]
        print(f"{len(rows) - len(comparisons)} of {len(rows)} comparisons have a longer text and are left out")
        return cls(
            path,
            sum(parameters.values()),
            sum(n for name, n in parameters.items() if last in name),
            comparisons,
        )

    def requests(self, workload: str) -> Iterator[Request]:
        """Requests without end, no text twice before all have been there; the same ones at every call."""
        return itertools.cycle(self._requests(workload))

    def mean_tokens(self, workload: str) -> float:
        """Of a completion of the workload with its prompt."""
        items = list(itertools.chain.from_iterable(self._requests(workload)))
        return _n_tokens(items) / sum(len(item.completions) for item in items)

    def _requests(self, workload: str) -> list[Request]:
        return {
            "best-of-8": lambda: [[item] for item in self._best_of(8)],
            "comparisons": lambda: _cut(self.comparisons, 32),
            "independent": lambda: _cut(self._alone(), 64),
            "singles": lambda: [[item] for item in self._alone()],
        }[workload]()

    def bulk(self) -> Iterator[Request]:
        """Requests of 64 to 256 completions, no two of a prompt."""
        rng, items = random.Random(SEED), itertools.cycle(self._alone())
        while True:
            yield list(itertools.islice(items, rng.randint(64, 256)))

    def computed_by_ours(self, items: Sequence[Item]) -> int:
        """Tokens of a pack in which no prompt stands twice, as many as would cost a plain pass what that pack costs."""
        n_all = sum(item.n_prompt + sum(item.n_completions) for item in items)
        n_final = sum(len(item.completions) for item in items)
        return round(n_all - (n_all - n_final) * self.n_last_mlp / self.n_parameters)

    def _alone(self) -> list[Item]:
        """All prompts with their first completion, then all with their second: neighbours share nothing."""
        return [_of(item, item, [which]) for which in (0, 1) for item in self.comparisons]

    def _best_of(self, n: int) -> list[Item]:
        rng = random.Random(SEED)
        found = []
        for item in self.comparisons:
            mates = [item, item]
            places = [0, 1]
            while len(mates) < n:
                other, place = rng.choice(self.comparisons), rng.randrange(2)
                if item.n_prompt + other.n_completions[place] <= LENGTH:
                    mates.append(other)
                    places.append(place)
            found.append(_joined(item, [_of(item, one, [at]) for one, at in zip(mates, places, strict=True)]))
        return found


def _item(encoder: Any, row: dict[str, Any]) -> Item | None:
    """A comparison; None where a text is too long, or is not the same tokens as one text and as prompt and completion.

    Both so that every arm computes the same tokens.
    """
    completions = [row["chosen"], row["rejected"]]
    prompt = encoder.prompt_text(row["prompt"])
    texts = [encoder.completion_text(row["prompt"], completion) for completion in completions]
    encoded = encoder.encode_group(row["prompt"], completions)
    if any(one.is_truncated for one in encoded):
        return None
    whole = encoder.tokenizer([prompt + text for text in texts], add_special_tokens=False)["input_ids"]
    if any(one.input_ids != ids for one, ids in zip(encoded, whole, strict=True)):
        return None
    n_completions = [len(one.completion_ids) for one in encoded]
    return Item(row["prompt"], completions, prompt, texts, len(encoded[0].prompt_ids), n_completions)


def _of(item: Item, other: Item, places: list[int]) -> Item:
    """The item's prompt with some of another's completions."""
    return Item(
        item.messages,
        [other.completions[at] for at in places],
        item.prompt_text,
        [other.completion_texts[at] for at in places],
        item.n_prompt,
        [other.n_completions[at] for at in places],
    )


def _joined(item: Item, parts: list[Item]) -> Item:
    return Item(
        item.messages,
        [one for part in parts for one in part.completions],
        item.prompt_text,
        [one for part in parts for one in part.completion_texts],
        item.n_prompt,
        [one for part in parts for one in part.n_completions],
    )


def _cut(items: list[Item], n: int) -> list[Request]:
    return [items[start : start + n] for start in range(0, len(items) - n + 1, n)]


def _n_tokens(items: Sequence[Item]) -> int:
    """Tokens of all texts, the prompt with each of its completions."""
    return sum(item.n_prompt * len(item.completions) + sum(item.n_completions) for item in items)


# --- processes ---
def _environment() -> dict[str, str]:
    # The scorer lets torch's threads spin for a shorter time, since they share the cores with others. So for all arms.
    return os.environ | {"GOMP_SPINCOUNT": "1000", "HF_HUB_OFFLINE": "1", "SCORER_TOKEN": ""}


def _child(arm: str, path: Path, port: int, options: argparse.Namespace) -> list[str]:
    given = {
        "--dtype": options.dtype,
        "--device": options.device,
        "--threads": options.threads,
        "--micro-batch": options.micro_batch,
    }
    flags = [str(one) for pair in given.items() for one in pair]
    return [sys.executable, __file__, "--child", arm, str(path), str(port), *flags]


def _ended(process: subprocess.Popen[Any]) -> None:
    """End a process of ours, gently first."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Library:
    """An arm without a server: a child that is given lists of texts, one line of JSON each."""

    def __init__(self, arm: str, model: Model, options: argparse.Namespace) -> None:
        self.arm = arm
        self.model = model
        self.peak_mib = 0.0
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            _child(arm, model.path, 0, options),
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Library:
        self._ask(self.model.comparisons[:2], BATCHES[self.arm][0])
        return self

    def __exit__(self, *_: object) -> None:
        _ended(self._process)
        self._log.close()

    def rewards(self, items: Sequence[Item]) -> list[float]:
        found: list[float] = []
        for some in _chunks(items, AT_ONCE):
            found += self._ask(some, BATCHES[self.arm][0])["rewards"]
        return found

    def load(self, requests: Iterator[Request], n_clients: int, seconds: float) -> Load:
        """By turns in batches of either size, for the given time; the quicker size."""
        tried = {size: Load(how=f"batches of {size}") for size in BATCHES[self.arm]}
        items = itertools.chain.from_iterable(requests)

        def some() -> list[Item]:
            found: list[Item] = []
            while sum(len(item.completions) for item in found) < AT_ONCE:
                found.append(next(items))
            return found

        self._ask(some(), max(tried))  # to warm up
        while sum(load.seconds for load in tried.values()) < seconds:
            for size, load in tried.items():
                given = some()
                answer = self._ask(given, size)
                load.n += len(answer["rewards"])
                load.n_tokens += _n_tokens(given)
                load.n_computed += answer["n_computed"]
                load.seconds += answer["seconds"]
        return max(tried.values(), key=lambda load: load.rate)

    def _ask(self, items: Sequence[Item], size: int) -> dict[str, Any]:
        texts = [[item.prompt_text, text] for item in items for text in item.completion_texts]
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer, and the log says why
            self._process.stdin.write(json.dumps({"texts": texts, "size": size}) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                self.peak_mib = answer["peak_mib"]
                return answer
        self._log.seek(0)
        raise SystemExit(f"{self.arm} has ended:\n{self._log.read().decode()[-4000:]}")


class Server:
    """An arm with a server, asked over HTTP on the loopback interface."""

    def __init__(self, arm: str, model: Model, options: argparse.Namespace) -> None:
        self.arm = arm
        self.model = model
        self.peak_mib = float("nan")
        """Its largest resident memory, once it has ended; NaN where the system does not tell."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.path = "/v1/score" if arm == "ours" else "/get_reward"
        command = _child(arm, model.path, port, options)
        if arm == "ours":
            registry = model.path.parent / "registry.json"
            entry = {"name": "bench", "version": 1, "path": str(model.path), "state": "promoted"}
            registry.write_text(json.dumps({"models": [entry]}), encoding="utf-8")
            command = [sys.executable, "-m", "training.engine.scoring", "serve", "--registry", str(registry)]
            command += ["--port", str(port), "--dtype", options.dtype, "--device", options.device]
            command += ["--threads", str(options.threads)]
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(), stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )

    def __enter__(self) -> Server:
        is_ready = "/v1/models" if self.arm == "ours" else "/counted"
        give_up = time.monotonic() + 120
        with self._client() as http:
            while time.monotonic() < give_up and self._process.poll() is None:
                with contextlib.suppress(httpx.TransportError):
                    answer = http.get(is_ready)
                    if answer.status_code == 200 and (self.arm != "ours" or answer.json()["models"]):
                        for nth in range(3):
                            self._ask(http, self._body(self.model.comparisons[nth : nth + 4]))
                        return self
                time.sleep(0.1)
        raise self._failure("does not answer")

    def __exit__(self, *_: object) -> None:
        self._end()
        self._log.close()

    def _end(self) -> None:
        if self._process.poll() is None:
            self.peak_mib = _peak_mib(self._process.pid)
            _ended(self._process)

    def rewards(self, items: Sequence[Item]) -> list[float]:
        """Asked by four clients at once, so that rewards are made in mixed batches where a server mixes them."""
        parts = [(nth, self._body(some)) for nth, some in enumerate(_chunks(items, 16))]
        found: dict[int, list[float]] = {}
        waiting, lock = iter(parts), threading.Lock()

        def client(_number: int, http: httpx.Client) -> None:
            while True:
                with lock:
                    part = next(waiting, None)
                if part is None:
                    return
                found[part[0]] = self._ask(http, part[1])

        self._together(client, 4)
        return [reward for nth in sorted(found) for reward in found[nth]]

    def load(self, requests: Iterator[Request], n_clients: int, seconds: float) -> Load:
        # To warm up: a matrix product is compiled for each shape. The plain server's are the same with one client.
        self._load(requests, n_clients if self.arm == "ours" else 1, seconds / 4)
        return self._load(requests, n_clients, seconds)

    def _load(self, requests: Iterator[Request], n_clients: int, seconds: float) -> Load:
        lock, total = threading.Lock(), Load()
        n_before = self._n_computed()
        began = time.perf_counter()

        def client(_number: int, http: httpx.Client) -> None:
            while time.perf_counter() - began < seconds:
                with lock:
                    items = next(requests)
                body = self._body(items)
                sent = time.perf_counter()
                n = len(self._ask(http, body))
                now = time.perf_counter()
                with lock:
                    total.latencies.append(now - sent)
                    total.n += n
                    total.n_tokens += _n_tokens(items)
                    if self.arm == "ours":
                        total.n_computed += self.model.computed_by_ours(items)
                    total.seconds = now - began

        self._together(client, n_clients)
        if self.arm == "plain":
            total.n_computed = self._n_computed() - n_before
        return total

    def latencies(self, model: Model, seconds: float) -> dict[str, Any]:
        """Seconds of requests of one completion, alone and beside a bulk client, and what that one got.

        It ends the server, since the bulk client's last request may take a minute and would slow down the next arm.
        """
        is_over = threading.Event()
        n_bulk = 0

        def bulk() -> None:
            nonlocal n_bulk
            with self._client("bulk") as http:
                for items in model.bulk():
                    try:
                        n = len(self._ask(http, self._body(items)))
                    except httpx.TransportError:
                        if not is_over.is_set():
                            raise
                        return
                    if is_over.is_set():
                        return
                    n_bulk += n

        with self._client("single") as http:
            alone = self._one_by_one(http, model, seconds)
            beside = threading.Thread(target=bulk, daemon=True)
            began = time.perf_counter()
            beside.start()
            time.sleep(0.5)
            under_bulk = self._one_by_one(http, model, 2 * seconds)
            is_over.set()
            bulk_rate = n_bulk / (time.perf_counter() - began)
        self._end()
        beside.join()
        return {"alone": alone, "under bulk": under_bulk, "bulk_rate": bulk_rate}

    def _one_by_one(self, http: httpx.Client, model: Model, seconds: float) -> list[float]:
        """Some time of them; up to four times as long where these would be few."""
        rng = random.Random(SEED)
        found: list[float] = []
        began = time.perf_counter()
        for items in model.requests("singles"):
            past = time.perf_counter() - began
            if past > seconds and (len(found) >= LEAST_LATENCIES or past > 4 * seconds):
                break
            body = self._body(items)
            sent = time.perf_counter()
            self._ask(http, body)
            found.append(time.perf_counter() - sent)
            time.sleep(rng.uniform(0.01, 0.05))
        return sorted(found)

    def _together(self, client: Callable[[int, httpx.Client], None], n: int) -> None:
        """Run n clients, each with a connection of its own. Raises what one of them raised."""
        problems: list[BaseException] = []

        def run(number: int) -> None:
            try:
                with self._client() as http:
                    client(number, http)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]

    def _client(self, name: str = "") -> httpx.Client:
        headers = {"Content-Type": "application/json"} | ({"X-Client-Id": name} if name else {})
        return httpx.Client(base_url=self.url, headers=headers, timeout=600, trust_env=False)

    def _body(self, items: Sequence[Item]) -> bytes:
        if self.arm == "ours":
            asked = [{"messages": item.messages, "completions": item.completions} for item in items]
            return json.dumps({"model": "bench", "items": asked}).encode()
        texts = [item.prompt_text + text for item in items for text in item.completion_texts]
        return json.dumps({"query": texts}).encode()

    def _ask(self, http: httpx.Client, body: bytes) -> list[float]:
        answer = http.post(self.path, content=body)
        if answer.status_code != 200:
            raise self._failure(f"answers {answer.status_code}: {answer.text[:500]}")
        found = answer.json()
        if self.arm == "ours":
            return [reward for item in found["items"] for reward in item["rewards"]]
        rewards: list[float] = found["rewards"]
        return rewards

    def _n_computed(self) -> int:
        if self.arm == "ours":
            return 0
        with self._client() as http:
            return int(http.get("/counted").json()["n_computed"])

    def _failure(self, what: str) -> SystemExit:
        self._log.seek(0)
        return SystemExit(f"{self.arm} {what}\n{self._log.read().decode()[-4000:]}")


def measured_peak(path: Path, options: argparse.Namespace) -> float:
    """FLOP/s of a large matrix product, of a process as the arms' are."""
    done = subprocess.run(
        _child("peak", path, 0, options), cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"The matrix product failed:\n{done.stderr[-4000:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["flop_per_s"])


# --- what the children do ---
def run_child(arm: str, path: str, port: int, options: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(options.threads)
    if arm == "peak":
        print(json.dumps({"flop_per_s": matrix_peak(options.device, options.dtype)}))
    elif arm == "plain":
        serve_plain(path, port, options)
    else:
        made = {"pipeline": with_pipeline, "cross-encoder": with_cross_encoder}[arm](path, options)
        answer_lines(*made)


class Counted:
    """How many tokens, padding included, a model has been given."""

    def __init__(self, model: Any) -> None:
        self.n = 0
        model.get_input_embeddings().register_forward_pre_hook(self._count)

    def _count(self, _module: Any, inputs: tuple[Any, ...]) -> None:
        self.n += inputs[0].numel()


Score = Callable[[list[tuple[str, str]], int], list[float]]


def answer_lines(score: Score, counted: Counted) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        n_before = counted.n
        began = time.perf_counter()
        rewards = score([(prompt, completion) for prompt, completion in asked["texts"]], asked["size"])
        answer = {
            "rewards": rewards,
            "seconds": time.perf_counter() - began,
            "n_computed": counted.n - n_before,
            "peak_mib": _peak_mib(os.getpid()),
        }
        print(json.dumps(answer), flush=True)


def with_pipeline(path: str, options: argparse.Namespace) -> tuple[Score, Counted]:
    import torch
    from transformers import pipeline

    made: Any = pipeline("text-classification", model=path, dtype=getattr(torch, options.dtype), device=options.device)

    def score(texts: list[tuple[str, str]], size: int) -> list[float]:
        whole = [prompt + completion for prompt, completion in texts]
        return [float(one["score"]) for one in made(whole, batch_size=size, function_to_apply="none")]

    return score, Counted(made.model)


def with_cross_encoder(path: str, options: argparse.Namespace) -> tuple[Score, Counted]:
    import torch
    from sentence_transformers import CrossEncoder

    # Without the tokenizer's chat template, by which it would wrap our rendered texts once more.
    made: Any = CrossEncoder(
        path,
        device=options.device,
        max_length=LENGTH,
        model_kwargs={"dtype": getattr(torch, options.dtype)},
        processor_kwargs={"chat_template": None},
        activation_fn=torch.nn.Identity(),
        local_files_only=True,
    )

    def score(texts: list[tuple[str, str]], size: int) -> list[float]:
        rewards: list[float] = made.predict(texts, batch_size=size, show_progress_bar=False).tolist()
        return rewards

    return score, Counted(made[0].model)


def serve_plain(path: str, port: int, options: argparse.Namespace) -> None:
    """What one writes in an afternoon."""
    import torch
    import uvicorn
    from fastapi import FastAPI
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    loaded = AutoModelForSequenceClassification.from_pretrained(path, dtype=getattr(torch, options.dtype))
    model: Any = loaded.eval().to(options.device)
    tokenizer = AutoTokenizer.from_pretrained(path)
    counted, lock, app = Counted(model), threading.Lock(), FastAPI()

    @app.post("/get_reward")
    def get_reward(body: dict[str, Any]) -> dict[str, list[float]]:
        texts, rewards = body["query"], []
        with lock, torch.inference_mode():
            for start in range(0, len(texts), options.micro_batch):
                batch = tokenizer(
                    texts[start : start + options.micro_batch],
                    padding=True,
                    truncation=True,
                    max_length=LENGTH,
                    add_special_tokens=False,
                    return_tensors="pt",
                ).to(options.device)
                logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
                rewards += logits.logits[:, 0].float().tolist()
        return {"rewards": rewards}

    @app.get("/counted")
    def count() -> dict[str, int]:
        return {"n_computed": counted.n}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def reference(path: Path, items: Sequence[Item]) -> list[float]:
    """Rewards of transformers' own model in float32, padded, batches of 8 in order of length."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model: Any = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    texts = [item.prompt_text + text for item in items for text in item.completion_texts]
    n_tokens = [item.n_prompt + n for item in items for n in item.n_completions]
    order = sorted(range(len(texts)), key=lambda nth: n_tokens[nth])
    rewards = [0.0] * len(texts)
    with torch.inference_mode():
        for some in _chunks(order, 8):
            batch = tokenizer([texts[nth] for nth in some], padding=True, add_special_tokens=False, return_tensors="pt")
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
            for nth, reward in zip(some, logits.logits[:, 0].tolist(), strict=True):
                rewards[nth] = reward
    return rewards


# --- what is told ---
def show_workload(workload: str, model: Model, loads: dict[str, list[Load]], peak: float) -> None:
    length = model.mean_tokens(workload)
    print(f"{workload}: {WORKLOADS[workload]} clients; {length:.0f} tokens a text, prompt included")
    print(f"{'':14} {'completions/s':>13} {'/ plain':>8} {'tokens/s':>9} {'computed':>8} {'of peak':>8}")
    for arm, found in loads.items():
        plain = [load.rate for load in loads.get("plain", [])]
        ratios = [load.rate / other for load, other in zip(found, plain, strict=False)]
        flops = [2 * model.n_parameters * load.n_computed / load.seconds for load in found]
        print(
            f"{arm:14} {statistics.median(load.rate for load in found) / length:13.1f}"
            f" {f'{statistics.median(ratios):.2f}' if ratios else '–':>8}"
            f" {statistics.median(load.rate for load in found):9.0f}"
            f" {statistics.median(load.n_computed / load.n_tokens for load in found):8.2f}"
            f" {statistics.median(flops) / peak:8.0%}   {found[0].how}"
            + (f"ratio by round {min(ratios):.2f}–{max(ratios):.2f}" if len(ratios) > 1 else ""),
        )
    print(flush=True)


def show_latencies(found: dict[str, dict[str, Any]]) -> None:
    if not found:
        return
    print("one completion a request, milliseconds")
    print(f"{'':14} {'alone p50':>10} {'p99':>7} {'under bulk p50':>15} {'p99':>7} {'p99 / alone':>12} {'bulk/s':>7}")
    for arm, one in found.items():
        alone, bulk = one["alone"], one["under bulk"]
        times = [quantile(values, share) * 1e3 for values in (alone, bulk) for share in (0.5, 0.99)]
        print(
            f"{arm:14} {times[0]:10.1f} {times[1]:7.1f} {times[2]:15.1f} {times[3]:7.1f}"
            f" {times[3] / times[1]:12.1f} {one['bulk_rate']:7.1f}   {len(alone)} and {len(bulk)} requests"
        )
    print(flush=True)


def show_rewards(found: dict[str, tuple[list[float], float]], expected: list[float]) -> None:
    deviation = statistics.pstdev(expected)
    print(f"rewards of {len(expected) // 2} comparisons, standard deviation {deviation:.3f}")
    print(f"{'':14} {'peak MiB':>9} {'RMS error':>10} {'largest':>8} {'order':>7}")
    for arm, (rewards, peak_mib) in found.items():
        errors = [abs(one - other) / deviation for one, other in zip(rewards, expected, strict=True)]
        gaps = [
            ((rewards[at] - rewards[at + 1]) / deviation, (expected[at] - expected[at + 1]) / deviation)
            for at in range(0, len(expected), 2)
        ]
        turned = [abs(gap) for one, gap in gaps if one * gap <= 0 and gap]
        rms = statistics.fmean(error**2 for error in errors) ** 0.5
        print(
            f"{arm:14} {peak_mib:9.0f} {rms:10.4f} {max(errors):8.4f} {1 - len(turned) / len(gaps):7.1%}"
            + (f"   the {len(turned)} others lie {max(turned):.3f} apart at most" if turned else "")
        )
    print(flush=True)


def quantile(ordered: list[float], share: float) -> float:
    """The least of sorted values that `share` of them do not exceed."""
    return ordered[max(0, min(len(ordered) - 1, -int(-len(ordered) * share // 1) - 1))]


def _chunks(items: Sequence[Any], n: int) -> list[Any]:
    return [items[start : start + n] for start in range(0, len(items), n)]


def _names(known: dict[str, Any]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
