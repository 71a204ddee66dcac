"""The request that views behind `IsAuthenticated` receive."""

from rest_framework.request import Request

from annotate.accounts.models import User


class SignedInRequest(Request):
    """A request whose user is known; a type, never instantiated."""

    user: User
