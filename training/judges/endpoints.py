"""The OpenAI-compatible endpoints that this installation may ask, from its settings: pages name them, never an address,
so that nobody can have the server call one of their choice."""

from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError


class Endpoint(NamedTuple):
    """`url` as https://host/v1; `model` as the endpoint calls it; `token` empty where it asks for none."""

    name: str
    url: str
    model: str
    token: str


def all_endpoints() -> list[Endpoint]:
    return [
        Endpoint(name, str(one["url"]), str(one.get("model", "")), str(one.get("token", "")))
        for name, one in sorted(settings.LM_ENDPOINTS.items())
    ]


def of_judge(judge: str) -> Endpoint:
    """The endpoint of a judge's name. Raises ValidationError where there is none of that name."""
    name = judge.removeprefix("endpoint:")
    found = next((one for one in all_endpoints() if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in all_endpoints()) or "none"
        raise ValidationError({"judge": f"There is no endpoint {name!r} in LM_ENDPOINTS; there are: {known}."})
    return found
