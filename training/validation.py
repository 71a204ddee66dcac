"""Refusals by field: collected for a whole value, and for values that are parts of a larger one."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError

T = TypeVar("T")


class Problems:
    """Collects what is wrong, by field, and raises it at once."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def expect(self, is_right: bool, name: str, message: str) -> None:
        if not is_right:
            self.found.setdefault(name, message)

    def whole(self, name: str, value: Any, least: int, most: int) -> None:
        is_right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        self.expect(is_right, name, f"Expected a whole number from {least} to {most}, got {value!r}.")

    def number(self, name: str, value: Any, least: float, most: float, *, is_open: bool = False) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right = is_number and (least < value if is_open else least <= value) and value <= most
        above = "above" if is_open else "from"
        self.expect(is_right, name, f"Expected a number {above} {least:g} to {most:g}, got {value!r}.")

    def done(self) -> None:
        if self.found:
            raise ValidationError(self.found)


def under(prefix: str, make: Callable[[], T]) -> T:
    """What `make` returns; the fields of its ValidationError get the prefix ("spec" makes "spec.ties")."""
    try:
        return make()
    except ValidationError as error:
        raise ValidationError({f"{prefix}.{name}": texts for name, texts in error.message_dict.items()}) from error
