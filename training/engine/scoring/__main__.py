"""`python -m training.engine.scoring serve --registry FILE`."""

import argparse
import logging
import os

import training.engine  # noqa: F401 - first, since it says how torch's threads wait

import uvicorn  # isort: skip

from training.engine.common.optimisation import resolve_device, use_threads
from training.engine.common.quiet import quiet_transformers
from training.engine.reward.model import RewardModel
from training.engine.scoring.batcher import Batcher
from training.engine.scoring.models import Models
from training.engine.scoring.server import create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.engine.scoring", description="Serve reward models.")
    commands = parser.add_subparsers(dest="verb", required=True)
    serve = commands.add_parser("serve", help="serve the promoted reward models of a registry over HTTP")
    serve.add_argument("--registry", required=True, help="registry.json, a path or file:// URL; it is followed")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8100)
    serve.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:0, …")
    serve.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="auto: half on a GPU")
    serve.add_argument("--threads", type=int, default=1, help="CPU threads of a forward pass")
    serve.add_argument("--tokens-per-batch", type=int, default=8192, help="padded tokens of one forward pass")
    serve.add_argument("--max-queue", type=int, default=20_000, help="completions that may wait before 429")
    options = parser.parse_args()

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quiet_transformers()
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    use_threads(options.threads)
    device = resolve_device(options.device)
    dtype = options.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    models = Models(options.registry, lambda path: RewardModel.load(path, dtype, device=device))
    batcher = Batcher(tokens_per_batch=options.tokens_per_batch, max_queue=options.max_queue)
    app = create_app(models, batcher, token=os.environ.get("SCORER_TOKEN", ""))
    # On SIGTERM uvicorn takes no more connections and answers those it has; then the lifespan ends.
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
