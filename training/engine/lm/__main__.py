"""`python -m training.engine.lm {train-base,sft,generate} --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.lm.base import TrainBaseConfig, train_base
from training.engine.lm.generate import GenerateConfig, generate
from training.engine.lm.sft import SftConfig, sft

VERBS = {
    "train-base": Verb(TrainBaseConfig, train_base, "train a tokenizer and a small base model on a corpus"),
    "sft": Verb(SftConfig, sft, "fine-tune a base model on prompts and completions"),
    "generate": Verb(GenerateConfig, generate, "sample completions of prompts"),
}

if __name__ == "__main__":
    run_main("lm", VERBS)
