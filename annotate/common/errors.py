"""Refusals of the domain."""

from typing import Any


class DomainError(Exception):
    """A refusal with a stable `code` for programs and a message that tells people what to do.

    `extra` is data for programs; `status` the HTTP status that the API answers with.
    """

    def __init__(self, code: str, message: str, *, status: int = 409, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra


def not_found(what: str) -> DomainError:
    """The answer for a row that is not there and for one the caller may not know of: the same on purpose."""
    return DomainError("not_found", f"There is no such {what}, or you are not a member of its project.", status=404)
