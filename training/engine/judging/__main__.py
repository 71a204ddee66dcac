"""`python -m training.engine.judging judge --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.judging.judge import JudgeConfig, judge

VERBS = {"judge": Verb(JudgeConfig, judge, "judge comparisons by principles with a language model")}

if __name__ == "__main__":
    run_main("judging", VERBS)
