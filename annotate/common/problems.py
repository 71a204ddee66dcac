"""The one place that turns errors into problem+json (RFC 9457)."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from annotate.common.errors import DomainError


def _field_errors(detail: Any, prefix: str = "") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error detail into {field, message}; list positions become part of the field's path."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            name = "" if key in ("non_field_errors", "__all__") else str(key)
            yield from _field_errors(value, ".".join(part for part in (prefix, name) if part))
    elif isinstance(detail, list):
        for position, value in enumerate(detail):
            nested = isinstance(value, (dict, list))
            yield from _field_errors(value, f"{prefix}.{position}" if nested else prefix)
    else:
        yield {"field": prefix, "message": str(detail)}


def problem(status_code: int, code: str, detail: str, *, headers: dict | None = None, **extra: Any) -> Response:
    title = HTTPStatus(status_code).phrase
    body = {"type": "about:blank", "title": title, "status": status_code, "code": code, "detail": detail, **extra}
    return Response(body, status=status_code, headers=headers, content_type="application/problem+json")


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal leaves as problem+json; what is unexpected stays a 500."""
    if isinstance(exc, DomainError):
        return problem(exc.status, exc.code, exc.message, **exc.extra)
    if isinstance(exc, ValidationError):
        detail = exc.message_dict if hasattr(exc, "error_dict") else {"": exc.messages}
        exc = exceptions.ValidationError(detail)
    if isinstance(exc, Http404):
        return problem(404, "not_found", "There is nothing at this address.")
    if isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    response = exception_handler(exc, context)
    if response is None or not isinstance(exc, exceptions.APIException):
        return response
    headers = {name: response[name] for name in ("WWW-Authenticate", "Retry-After") if response.has_header(name)}
    if isinstance(exc, exceptions.ValidationError):
        errors = list(_field_errors(exc.detail))
        summary = "; ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors[:3])
        return problem(status.HTTP_400_BAD_REQUEST, "invalid", summary, headers=headers, errors=errors)
    return problem(exc.status_code, str(exc.default_code), str(exc.detail), headers=headers)
