from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from training.engine.common.config import claim_run_directory, config_from_dict, load_config, option
from training.engine.common.errors import ConfigError, EngineError


@dataclass(frozen=True)
class Example:
    out_dir: str = option(help="where")
    learning_rate: float = option(1e-3, help="peak", above=0)
    n_layers: int = option(4, help="layers", at_least=1, at_most=9)
    device: str = option("cpu", help="where", choices=("cpu", "cuda"))
    max_steps: int | None = option(None, help="limit", at_least=1)
    is_fast: bool = option(False, help="speed")
    names: list[str] = option(default_factory=list, help="names")  # noqa: RUF009 - option() is dataclasses.field()

    def validate(self) -> None:
        if self.is_fast and self.n_layers > 2:
            raise ConfigError("n_layers", "at most 2 when is_fast")


def test_it_fills_defaults_and_takes_whole_numbers_as_floats() -> None:
    config = config_from_dict(Example, {"out_dir": "x", "learning_rate": 1, "names": ["a"]})
    assert config == Example(out_dir="x", learning_rate=1.0, names=["a"])
    assert isinstance(config.learning_rate, float)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"learnin_rate": 1e-3}, "learnin_rate", "did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "learning_rate", "expected a number, got 'fast'"),
        ({"learning_rate": 0}, "learning_rate", "above 0"),
        ({"learning_rate": float("nan")}, "learning_rate", "finite"),
        ({"n_layers": 2.5}, "n_layers", "expected a whole number"),
        ({"n_layers": True}, "n_layers", "expected a whole number"),
        ({"n_layers": 10}, "n_layers", "at most 9"),
        ({"device": "tpu"}, "device", "one of 'cpu', 'cuda'"),
        ({"max_steps": 0}, "max_steps", "at least 1"),
        ({"max_steps": "many"}, "max_steps", "a whole number or null"),
        ({"names": ["a", 1]}, "names[1]", "expected text"),
        ({"is_fast": True}, "n_layers", "at most 2 when is_fast"),
    ],
)
def test_it_names_the_field_and_what_was_expected(change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_dict(Example, {"out_dir": "x", **change})
    assert caught.value.field == field
    assert caught.value.code == "bad_config"
    assert words in caught.value.message


def test_it_says_which_field_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"out_dir: missing; expected text \(where\)"):
        config_from_dict(Example, {})


def test_it_refuses_a_file_that_is_no_json_object(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("[1]")
    with pytest.raises(EngineError, match="one JSON object"):
        load_config(Example, path)
    path.write_text("{")
    with pytest.raises(EngineError, match="not valid JSON"):
        load_config(Example, path)
    with pytest.raises(EngineError, match="cannot read"):
        load_config(Example, tmp_path / "missing.json")


def test_it_saves_the_whole_config_and_accepts_the_same_one_again(tmp_path: Path) -> None:
    config = Example(out_dir="x")
    claim_run_directory(tmp_path / "run", config, fingerprint={"data": "d1"})
    claim_run_directory(tmp_path / "run", config, fingerprint={"data": "d1"})
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved == {**dataclasses.asdict(config), "_inputs": {"data": "d1"}}


def test_it_refuses_to_continue_a_run_with_another_config_or_other_data(tmp_path: Path) -> None:
    claim_run_directory(tmp_path, Example(out_dir="x"), fingerprint={"data": "d1"})
    with pytest.raises(EngineError, match="other values of n_layers;") as caught:
        claim_run_directory(tmp_path, Example(out_dir="x", n_layers=1), fingerprint={"data": "d1"})
    assert caught.value.code == "config_changed"
    with pytest.raises(EngineError, match="_inputs"):
        claim_run_directory(tmp_path, Example(out_dir="x"), fingerprint={"data": "d2"})
