"""`python -m training.engine.reward VERB --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.reward.compare import CompareConfig, compare
from training.engine.reward.crossfit import CrossFitConfig, crossfit
from training.engine.reward.evaluate import EvaluateConfig, evaluate
from training.engine.reward.external import ExternalConfig, external
from training.engine.reward.members import MembersConfig, members
from training.engine.reward.predict import PredictConfig, predict
from training.engine.reward.trainer import RewardTrainConfig, train

VERBS = {
    "train": Verb(RewardTrainConfig, train, "train a reward model on a comparison set"),
    "members": Verb(MembersConfig, members, "train an ensemble of reward models"),
    "crossfit": Verb(CrossFitConfig, crossfit, "judge each comparison by models that did not train on its prompt"),
    "evaluate": Verb(EvaluateConfig, evaluate, "report on a reward model on one split of a comparison set"),
    "compare": Verb(CompareConfig, compare, "two reward models on one split of a comparison set"),
    "external": Verb(ExternalConfig, external, "a reward model on comparisons from elsewhere, by category"),
    "predict": Verb(PredictConfig, predict, "rewards of prompts and completions"),
}

if __name__ == "__main__":
    run_main("reward", VERBS)
