"""`python -m training.engine.policy optimise --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.policy.config import OptimiseConfig
from training.engine.policy.optimise import optimise

VERBS = {"optimise": Verb(OptimiseConfig, optimise, "train a policy against a served reward model")}

if __name__ == "__main__":
    run_main("policy", VERBS)
