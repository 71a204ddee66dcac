"""The one exception an engine command ends with on purpose."""

from __future__ import annotations


class EngineError(Exception):
    """A failure with a stable code for programs and a message for people (what happened and what to do)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigError(EngineError):
    """A configuration value that cannot be used; names the field and what was expected."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("bad_config", f"{field}: {message}")
        self.field = field


class StopRequested(Exception):
    """SIGTERM or SIGINT arrived and a checkpoint has been written; the command ends with exit status 143."""
