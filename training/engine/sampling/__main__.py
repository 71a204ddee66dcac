"""`python -m training.engine.sampling select --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.sampling.select import SelectConfig, select

VERBS = {"select": Verb(SelectConfig, select, "choose the next comparisons among candidate pairs")}

if __name__ == "__main__":
    run_main("sampling", VERBS)
