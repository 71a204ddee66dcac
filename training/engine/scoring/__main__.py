"""`python -m training.engine.scoring serve --registry FILE`."""

import argparse
import logging
import os

import training.engine  # noqa: F401 - first, since it says how torch's threads wait

import uvicorn  # isort: skip

from training.engine.common.optimisation import resolve_device, resolve_precision, use_threads
from training.engine.common.quiet import quiet_transformers
from training.engine.reward.ensemble import RewardEnsemble
from training.engine.reward.model import DTYPES
from training.engine.scoring.batcher import Batcher
from training.engine.scoring.models import Models
from training.engine.scoring.server import create_app

log = logging.getLogger("scorer")
# More would make one completion's reward take longer, since each has fewer threads, for little more throughput.
_MOST_WORKERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.engine.scoring", description="Serve reward models.")
    commands = parser.add_subparsers(dest="verb", required=True)
    serve = commands.add_parser("serve", help="serve the promoted reward models of a registry over HTTP")
    serve.add_argument("--registry", required=True, help="registry.json, a path or file:// URL; it is followed")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8100)
    serve.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:0, …")
    serve.add_argument(
        "--dtype", default="auto", choices=("auto", *DTYPES), help="auto: bfloat16 where the machine multiplies it"
    )
    serve.add_argument("--threads", type=int, default=0, help="CPU threads of all forward passes; 0: one for each core")
    serve.add_argument("--workers", type=int, default=0, help="batches at once; 0: up to four on a CPU, else one")
    serve.add_argument("--tokens-per-batch", type=int, default=16_384, help="the most tokens of one forward pass")
    serve.add_argument("--batch-ms", type=float, default=60.0, help="how long a batch should take, within that")
    serve.add_argument("--max-queue", type=int, default=20_000, help="completions that may wait before 429")
    serve.add_argument("--grace-s", type=int, default=60, help="how long SIGTERM waits for requests under way")
    serve.add_argument(
        "--too-long", default="truncate", choices=("truncate", "refuse"),
        help="what becomes of a text longer than the model reads, where a request does not say",
    )  # fmt: skip
    options = parser.parse_args()

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quiet_transformers()
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    device = resolve_device(options.device)
    n_workers, n_threads = _shares(options.threads or len(os.sched_getaffinity(0)), options.workers, device)
    dtype = options.dtype
    if dtype == "auto":
        dtype = "bfloat16" if resolve_precision("auto", device) == "bf16" else "float32"

    def load(path: str) -> RewardEnsemble:
        use_threads(n_threads)  # holds for the thread that loads: how fast the model is, is measured with as many
        loaded = RewardEnsemble.load(path, dtype, device=device)
        for model in loaded.models:
            log.info("%s: %s", path, "packed" if model.is_packable else "in padded batches")
        return loaded

    models = Models(options.registry, load)
    batcher = Batcher(
        tokens_per_batch=options.tokens_per_batch, max_queue=options.max_queue, batch_s=options.batch_ms / 1000,
        n_workers=n_workers, n_threads=n_threads,
    )  # fmt: skip
    app = create_app(models, batcher, token=os.environ.get("SCORER_TOKEN", ""), too_long=options.too_long)
    # On SIGTERM uvicorn takes no more connections and answers those it has; then the lifespan ends.
    uvicorn.run(
        app, host=options.host, port=options.port, log_level="warning", access_log=False, backlog=16_384,
        timeout_keep_alive=75, timeout_graceful_shutdown=options.grace_s,
    )  # fmt: skip


def _shares(n_threads: int, n_workers: int, device: str) -> tuple[int, int]:
    """Batches at once, and the threads of each. n_workers: as asked for, 0 for what suits the machine."""
    if not n_workers:
        each = n_threads if device != "cpu" else max(1, round(n_threads / _MOST_WORKERS))
        n_workers = n_threads // each
    return n_workers, max(1, n_threads // n_workers)


if __name__ == "__main__":
    main()
