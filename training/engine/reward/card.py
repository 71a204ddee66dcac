"""The model card of a reward model: Markdown with YAML front matter, written beside the weights as README.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

# What is worth a line of "Training"; all of the config is in touchstone.json.
TRAINING_OPTIONS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "objective",
    "ties",
    "use_weights",
    "use_margins",
    "label_smoothing",
    "centring",
    "length_remedy",
    "noise_treatment",
    "n_heads",
    "seed",
    "precision",
)
SLICES = {
    "intensity": "Intensity",
    "agreement": "Agreement of the ratings",
    "source_pair": "Sources (preferred · other)",
    "axis": "Axis",
    "language": "Language",
    "batch": "Sampling round",
    "length_difference": "Length of the preferred one",
    "hard": "Hard comparisons",
}


def model_card(touchstone: dict[str, Any], report: dict[str, Any]) -> str:
    """The card from touchstone.json and report.json; an empty report (no held-out comparisons) is said to be missing.

    Front matter as the Hugging Face hub reads it (`model-index` with the accuracy, where there is one). Whatever a file
    of an older version lacks is left out.
    """
    name = f"{touchstone.get('project') or 'reward model'} v{touchstone.get('version', 0)}"
    parts = [
        _front_matter(name, touchstone, report),
        f"# Reward model {name}",
        _what_it_is(touchstone),
        "## How good it is",
        *_evaluation(report),
        "## Limits",
        _list(_limits(touchstone, report)),
        "## Training",
        _table(("option", "value"), _training(touchstone)),
        "## Use",
        _use(touchstone),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(name: str, touchstone: dict[str, Any], report: dict[str, Any]) -> str:
    """YAML whose values are written as JSON, which YAML 1.2 reads: no text can break out of its quotes."""
    lines = ["library_name: transformers", "pipeline_tag: text-classification"]
    if touchstone.get("base_model"):
        lines.append(f"base_model: {_json(touchstone['base_model'])}")
    lines.append('tags: ["reward-model", "preference", "rlhf", "touchstone"]')
    accuracy = (report.get("accuracy") or {}).get("value")
    if accuracy is not None:
        result = {
            "task": {"type": "text-classification", "name": "Pairwise preference"},
            "dataset": {
                "type": "comparison_set",
                "name": f"held-out comparisons of {touchstone.get('project') or 'the project'}",
                "revision": touchstone.get("comparison_set_digest"),
            },
            "metrics": [
                {"type": "accuracy", "value": round(accuracy, 4), "name": "Pairwise accuracy"},
                {"type": "log_loss", "value": round(report["log_loss"], 4), "name": "Log-loss"},
            ],
        }
        lines.append(f"model-index: {_json([{'name': name, 'results': [result]}])}")
    return "\n".join(["---", *lines, "---"])


def _what_it_is(touchstone: dict[str, Any]) -> str:
    axis = touchstone.get("axis")
    judged = f", as judged on {_plain(axis)}" if axis else ""
    base = f" It was trained from `{_plain(touchstone['base_model'])}`." if touchstone.get("base_model") else ""
    start = touchstone.get("continued_from")
    if start:
        base += f" Training went on from {_name_of(start)}"
        if start.get("n_new") is not None:
            base += (
                f", with {start['n_new']:,} new comparisons and {start['n_replayed']:,} of the {start['n_earlier']:,} "
                "that it had learnt from"
            )
        base += "."
    length = f" Texts are cut to {touchstone['max_length']} tokens." if touchstone.get("max_length") else ""
    return (
        f"It gives a prompt and a completion one number, the reward{judged}. Only differences between completions of "
        f"one prompt mean something: σ(difference) is the probability that labellers prefer the first.{base}{length}"
    )


def _name_of(start: dict[str, Any]) -> str:
    version = f"v{start['version']}" if start.get("version") else "another reward model"
    return f"{_plain(start['project'])} {version}" if start.get("project") else version


def _evaluation(report: dict[str, Any]) -> Iterable[str]:
    accuracy = report.get("accuracy") or {}
    if not accuracy.get("n"):
        yield "It has not been evaluated: its comparison set has no held-out comparisons."
        return
    yield (
        f"On {report['n_decided']} held-out comparisons with a preferred side, of {report['n_prompts']} prompts that "
        "it was not trained on. Brackets are 95 % intervals that allow for several comparisons of one prompt."
    )
    baselines = report.get("baselines") or {}
    rows = [
        ("**this model**", accuracy),
        ("one labeller against the rest", report.get("human_ceiling")),
        ("“the longer one is better”", baselines.get("longer")),
        ("“the one shown first”", baselines.get("first_shown")),
        ("“always a”", baselines.get("always_a")),
    ]
    yield _table(("", "accuracy", "n"), [(name, _stat(one), str(one["n"])) for name, one in rows if one])
    yield _table(("figure", "value"), _figures(report))
    for name, title in SLICES.items():
        buckets = (report.get("slices") or {}).get(name) or []
        if len(buckets) > 1:
            rows_of = [(_plain(one["bucket"]), _stat(one["accuracy"]), str(one["accuracy"]["n"])) for one in buckets]
            yield _table((title, "accuracy", "n"), rows_of)


def _figures(report: dict[str, Any]) -> list[tuple[str, str]]:
    calibration, length = report.get("calibration") or {}, report.get("length") or {}
    within = (report.get("length_correlation") or {}).get("within_comparison") or {}
    interval = f" ({calibration['low']:.3f} to {calibration['high']:.3f})" if calibration.get("low") is not None else ""
    found = [
        ("log-loss (0.693: a coin toss)", _number(report.get("log_loss"))),
        ("Brier score", _number(report.get("brier"))),
        ("calibration error", f"{_number(calibration.get('ece'))}{interval}"),
        ("temperature (1: right)", _number(report.get("temperature"))),
        ("rank correlation of reward gap and length difference", _number(within.get("spearman"))),
        *(
            (f"accuracy where {what}", f"{_stat(length[name])}, n = {length[name]['n']}")
            for name, what in (
                ("matched", "lengths are within 10 %"),
                ("opposed", "the shorter one is preferred"),
                ("agreed", "the longer one is preferred"),
            )
            if length.get(name)
        ),
    ]
    return [(name, value) for name, value in found if value != "–"]


def _limits(touchstone: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """What the figures say against relying on it, and what no figure says."""
    found = []
    accuracy = report.get("accuracy") or {}
    if accuracy.get("too_few"):
        found.append("Too few held-out comparisons: its figures are not to be relied on.")
    if accuracy.get("low") is not None and accuracy["low"] <= 0.5:
        found.append("Its accuracy is not clearly better than a coin toss.")
    lead = (report.get("advantage") or {}).get("longer") or {}
    if lead.get("low") is not None and lead["low"] <= 0:
        found.append("It cannot be told from “the longer one is better” on these comparisons.")
    opposed = (report.get("length") or {}).get("opposed") or {}
    if opposed.get("high") is not None and opposed["high"] < 0.5:
        found.append("Where labellers prefer the clearly shorter completion it is wrong more often than right.")
    temperature = report.get("temperature")
    if temperature is not None and temperature > 1.5:
        found.append(f"It is overconfident: divide its reward differences by {temperature:.2f} for probabilities.")
    if report.get("n_truncated"):
        found.append(f"{report['n_truncated']} of the held-out comparisons were cut to its window.")
    forgetting = touchstone.get("forgetting")
    if forgetting:
        found.append(
            f"Its trunk's language-modelling loss went from {forgetting['before']:.2f} to {forgetting['after']:.2f} "
            "nats a token in training."
        )
    return [
        *found,
        "It has learnt what these labellers prefer under their guidelines, not what is true or safe.",
        "A policy that is optimised against it finds completions that it overrates: watch people's ratings too.",
    ]


def _training(touchstone: dict[str, Any]) -> list[tuple[str, str]]:
    config = touchstone.get("config") or {}
    found = [
        ("comparison set", touchstone.get("comparison_set_digest")),
        ("continued from", touchstone.get("continued_from") and _name_of(touchstone["continued_from"])),
        ("replay", config.get("replay") if touchstone.get("continued_from") else None),
        ("weights trained", touchstone.get("tuning")),
        *((name, config.get(name)) for name in TRAINING_OPTIONS),
        ("seconds", touchstone.get("seconds")),
        ("engine version", touchstone.get("engine_version")),
    ]
    return [(name, f"`{_plain(value)}`") for name, value in found if value is not None and value != ""]


def _use(touchstone: dict[str, Any]) -> str:
    scale = ""
    if touchstone.get("reward_mean") is not None and touchstone.get("reward_std") is not None:
        scale = (
            f" On training texts rewards have mean {touchstone['reward_mean']:.3f} and standard deviation "
            f"{touchstone['reward_std']:.3f}."
        )
    return (
        "The directory loads with `AutoModelForSequenceClassification.from_pretrained`; the one logit is the reward. "
        "Tokenise prompt and completion with the directory's tokenizer and its chat template, as in training. "
        f"`touchstone.json` holds origin and scale, `report.json` every figure.{scale}"
    )


def _stat(stat: dict[str, Any]) -> str:
    if stat.get("value") is None:
        return "–"
    interval = f" ({stat['low']:.1%} to {stat['high']:.1%})" if stat.get("low") is not None else ""
    return f"{stat['value']:.1%}{interval}{' *' if stat.get('too_few') else ''}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _plain(value: Any) -> str:
    """A value inside a table's cell or between backticks: on one line, without marks that would end either."""
    text = value if isinstance(value, str) else _json(value)
    return " ".join(text.replace("`", "'").replace("|", "\\|").replace("<", "&lt;").split())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
