"""A policy as files that every other program of ours loads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any


def save_whole(policy: Any, tokenizer: Any, directory: Path) -> None:
    """Weights, config and tokenizer. Adapters are merged into a copy of the weights, so that training goes on with its
    own, unrounded."""
    whole = copy.deepcopy(policy).merge_and_unload() if hasattr(policy, "merge_and_unload") else policy
    whole.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
