"""Who calls: bearer tokens for programs (`Authorization: Bearer tst_…`), the session cookie for the pages."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotate.accounts.models import ApiToken, User
from annotate.accounts.services import token_digest
from annotate.common.compiled import Compiled

_token = Compiled(lambda digest: ApiToken.objects.select_related("user").filter(digest=digest), str)


class BearerTokenAuthentication(BaseAuthentication):
    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != self.keyword.lower().encode():
            return None
        if len(words) != 2:
            raise AuthenticationFailed("Write the header as: Authorization: Bearer tst_…")
        digest = token_digest(words[1].decode("latin-1"))
        token = _token.first(digest)
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is not known; it may have been deleted.")
        if token.is_expired():
            raise AuthenticationFailed("This token has expired; make a new one under Account → API tokens.")
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class OtherUser(AuthenticationFailed):
    default_detail = "Somebody else has signed in in this browser. Reload the page to go on as them, or sign in again."
    default_code = "other_user"


class PageSessionAuthentication(SessionAuthentication):
    """The session cookie, where it is still that of the user a page was loaded for.

    Tabs share one cookie. A page names its user in `X-Expected-User`, so that what it sends is never taken for work of
    somebody who has signed in in another tab since.
    """

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        signed_in = super().authenticate(request)
        expected = request.headers.get("X-Expected-User")
        if signed_in is not None and expected is not None and expected != str(signed_in[0].pk):
            raise OtherUser
        return signed_in


def _extend_schema() -> None:
    """Tell drf-spectacular how programs and pages sign in."""
    from drf_spectacular.authentication import SessionScheme
    from drf_spectacular.extensions import OpenApiAuthenticationExtension

    class BearerTokenScheme(OpenApiAuthenticationExtension):  # registers itself by being defined
        target_class = BearerTokenAuthentication
        name = "token"

        def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
            return {"type": "http", "scheme": "bearer", "description": "A token made under Account → API tokens."}

    class PageSessionScheme(SessionScheme):
        target_class = "annotate.accounts.authentication.PageSessionAuthentication"


_extend_schema()
