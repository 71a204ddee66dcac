"""The demo's world in one place: prompts, completions, true utilities and simulated labellers.

Deterministic and independent of the database, so that tests and benchmarks can ask whether the system found out what is
true. `knowledge` holds what the world knows, `truth` judges texts, `writing` composes them, `labellers` rates them.
"""

from training.demo.knowledge import understand, world
from training.demo.labellers import LABELLERS, Judgement, SimulatedLabeller, preference_probability, rate
from training.demo.truth import Features, features, safety_utility, true_utility, utility
from training.demo.writing import (
    N_DEMO_PROMPTS,
    RECIPES,
    SOURCES,
    DemoCompletion,
    DemoPrompt,
    Example,
    completions,
    corpus,
    demo_prompts,
    prompts,
    sft_examples,
    write,
)

__all__ = [
    "LABELLERS",
    "N_DEMO_PROMPTS",
    "RECIPES",
    "SOURCES",
    "DemoCompletion",
    "DemoPrompt",
    "Example",
    "Features",
    "Judgement",
    "SimulatedLabeller",
    "completions",
    "corpus",
    "demo_prompts",
    "features",
    "preference_probability",
    "prompts",
    "rate",
    "safety_utility",
    "sft_examples",
    "true_utility",
    "understand",
    "utility",
    "world",
    "write",
]
