"""Frozen dataclasses read from JSON, validated before any work starts, saved whole beside the results."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from training.engine.common.atomic import write_json
from training.engine.common.errors import ConfigError, EngineError

ConfigT = TypeVar("ConfigT")


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[Any, ...] | None = None,
    default_factory: Any = dataclasses.MISSING,
) -> Any:
    """A config field with its help text and its bounds.

    `above` is an exclusive lower bound, `at_least` and `at_most` are inclusive; None is never bounded.
    """
    metadata = {"help": help, "above": above, "at_least": at_least, "at_most": at_most, "choices": choices}
    if default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def load_config(config_class: type[ConfigT], path: str | Path) -> ConfigT:
    """Read a config from a JSON file.

    Raises EngineError(code "bad_config") when the file is missing or no JSON object, and ConfigError naming the
    field and the expected value when one is unknown, missing, of the wrong type or out of bounds.
    """
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError("bad_config", f"cannot read the config file {path}: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise EngineError("bad_config", f"{path} is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise EngineError("bad_config", f"{path} must hold one JSON object, not {type(raw).__name__}")
    return config_from_dict(config_class, raw)


def config_from_dict(config_class: type[ConfigT], raw: dict[str, Any]) -> ConfigT:
    """Build and validate a config dataclass from plain values. Raises ConfigError as `load_config` does."""
    fields = {field.name: field for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    for name in raw:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known fields: {', '.join(sorted(fields))}"
            raise ConfigError(name, f"no such field{hint}")
    hints = typing.get_type_hints(config_class)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in raw:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ConfigError(
                    name, f"missing; expected {_describe(hints[name])} ({field.metadata.get('help', '')})"
                )
            continue
        values[name] = _coerce(name, raw[name], hints[name])
        _check_bounds(name, values[name], field.metadata)
    config = config_class(**values)
    validate = getattr(config, "validate", None)
    if validate is not None:
        validate()
    return config


def config_to_dict(config: Any) -> dict[str, Any]:
    """The whole config as plain JSON values, defaults included."""
    return dataclasses.asdict(config)


def claim_run_directory(out: Path, config: Any, *, fingerprint: dict[str, str] | None = None) -> None:
    """Save the config as OUT/config.json, or check that OUT was started with the same one.

    `fingerprint` names inputs by content (for example the digest of a comparison set), so that a resumed run cannot
    silently continue on different data. Raises EngineError(code "config_changed") naming what differs.
    """
    mine = {**config_to_dict(config), "_inputs": fingerprint or {}}
    path = out / "config.json"
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
        if changed:
            raise EngineError(
                "config_changed",
                f"{out} was started with other values of {', '.join(changed)}; use an empty output directory "
                "for a new run, or the saved config.json to resume this one",
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, mine)


def finished_result(out: Path) -> dict[str, Any] | None:
    """The result of the run that has finished in OUT, else None."""
    path = out / "result.json"
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def _coerce(name: str, value: Any, expected: Any) -> Any:
    origin = typing.get_origin(expected)
    if expected is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        members = typing.get_args(expected)
        if value is None and type(None) in members:
            return None
        for member in members:
            if member is type(None):
                continue
            try:
                return _coerce(name, value, member)
            except ConfigError:
                continue
        raise ConfigError(name, f"expected {_describe(expected)}, got {value!r}")
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise ConfigError(name, f"expected {_describe(expected)}, got {value!r}")
        member = typing.get_args(expected)[0]
        items = [_coerce(f"{name}[{i}]", item, member) for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(name, f"expected {_describe(expected)}, got {value!r}")
        member = typing.get_args(expected)[1]
        return {str(key): _coerce(f"{name}.{key}", item, member) for key, item in value.items()}
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    wrong_bool = isinstance(value, bool) and expected is not bool
    if wrong_bool or not isinstance(value, expected):
        raise ConfigError(name, f"expected {_describe(expected)}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(name, f"expected a finite number, got {value!r}")
    return value


def _check_bounds(name: str, value: Any, metadata: Any) -> None:
    if value is None:
        return
    choices = metadata.get("choices")
    if choices is not None and value not in choices:
        raise ConfigError(name, f"expected one of {', '.join(map(repr, choices))}, got {value!r}")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    above, at_least, at_most = metadata.get("above"), metadata.get("at_least"), metadata.get("at_most")
    if above is not None and not value > above:
        raise ConfigError(name, f"expected a number above {above:g}, got {value!r}")
    if at_least is not None and value < at_least:
        raise ConfigError(name, f"expected a number of at least {at_least:g}, got {value!r}")
    if at_most is not None and value > at_most:
        raise ConfigError(name, f"expected a number of at most {at_most:g}, got {value!r}")


def _describe(expected: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if expected in names:
        return names[expected]
    origin = typing.get_origin(expected)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(member) for member in typing.get_args(expected))
    if origin in (list, tuple):
        return f"a list of {_describe(typing.get_args(expected)[0])}"
    if origin is dict:
        return "an object"
    return str(expected)
