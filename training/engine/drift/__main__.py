"""`python -m training.engine.drift report --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.drift.report import ReportConfig, report

VERBS = {"report": Verb(ReportConfig, report, "compare what the policy writes with what a reward model was trained on")}

if __name__ == "__main__":
    run_main("drift", VERBS)
