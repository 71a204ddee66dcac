"""Refusals by field, for values that are parts of a larger one."""

from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ValidationError

T = TypeVar("T")


def under(prefix: str, make: Callable[[], T]) -> T:
    """What `make` returns; the fields of its ValidationError get the prefix ("spec" makes "spec.ties")."""
    try:
        return make()
    except ValidationError as error:
        raise ValidationError({f"{prefix}.{name}": texts for name, texts in error.message_dict.items()}) from error
