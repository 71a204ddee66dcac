"""`python -m training.engine.sampling select --config FILE`, and `score` where workers share the scoring."""

from training.engine.common.cli import Verb, run_main
from training.engine.sampling.scoring import ScoreConfig, score
from training.engine.sampling.select import SelectConfig, select

VERBS = {
    "select": Verb(SelectConfig, select, "choose the next comparisons among candidate pairs"),
    "score": Verb(ScoreConfig, score, "score one shard of the candidates, for `select` to choose from"),
}

if __name__ == "__main__":
    run_main("sampling", VERBS)
