"""Options of training that would leave others without effect; without torch, so that forms can tell as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def clashes(options: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong by option, {} for nothing. Options that are missing or None are at their defaults."""
    chosen = {name: value for name, value in options.items() if value is not None}
    ties, objective = chosen.get("ties", "soft"), chosen.get("objective", "comparisons")
    length, noise = chosen.get("length_remedy", "none"), chosen.get("noise_treatment", "none")
    of_gaps = [name for name in ("use_margins", "label_smoothing", "centring") if chosen.get(name)]
    found: dict[str, str] = {}
    if chosen.get("n_heads", 1) > 1 and length == "odin":
        found["n_heads"] = "expected 1 with length_remedy odin, whose second head is for length"
    if ties == "davidson" and of_gaps:
        found["ties"] = f"davidson has no {' or '.join(of_gaps)}; leave it out"
    if objective == "labellers":
        others = [*of_gaps, *(["ties davidson"] if ties == "davidson" else [])]
        others += ["noise_treatment"] if noise != "none" else []
        others += ["random_pairing"] if length == "random_pairing" else []
        if others:
            found["objective"] = f"labellers learns from single ratings, without {', '.join(others)}"
    # A form says how it starts, the engine's config from where.
    is_continued = chosen.get("start") == "continued" or bool(chosen.get("start_from"))
    if chosen.get("earlier_set") and not is_continued:
        found["earlier_set"] = "expected none without start_from, the model that learnt from it"
    if chosen.get("replay", 1.0) != 1.0 and not is_continued:
        found["replay"] = "expected none without a model to continue from, whose comparisons it repeats"
    for level in chosen.get("margin_map") or {}:
        if not str(level).isdigit():
            found["margin_map"] = f"expected levels as whole numbers, got {level!r}"
    return found
