"""`python -m training.engine.lm {train-base,sft,generate,ask,choose-best} --config FILE`."""

from training.engine.common.cli import Verb, run_main
from training.engine.lm.ask import AskConfig, ask
from training.engine.lm.base import TrainBaseConfig, train_base
from training.engine.lm.best import ChooseBestConfig, choose_best
from training.engine.lm.generate import GenerateConfig, generate
from training.engine.lm.sft import SftConfig, sft

VERBS = {
    "train-base": Verb(TrainBaseConfig, train_base, "train a tokenizer and a small base model on a corpus"),
    "sft": Verb(SftConfig, sft, "fine-tune a base model on prompts and completions"),
    "generate": Verb(GenerateConfig, generate, "sample completions of prompts"),
    "ask": Verb(AskConfig, ask, "completions of prompts from an OpenAI-compatible endpoint"),
    "choose-best": Verb(ChooseBestConfig, choose_best, "keep the completions a reward model likes most or knows least"),
}

if __name__ == "__main__":
    run_main("lm", VERBS)
