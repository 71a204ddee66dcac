"""Users and API tokens."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from annotate.common.models import TimestampedModel

# Letters and digits that cannot be taken for one another when read aloud.
_PSEUDONYM_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_pseudonym() -> str:
    """A name for reports and exports that says nothing about the person, such as L-7KQ2MX4P."""
    return "L-" + "".join(secrets.choice(_PSEUDONYM_ALPHABET) for _ in range(8))


class UserKind(models.TextChoices):
    PERSON = "person", "Person"
    IMPORTED = "imported", "Labeller of an imported file"
    SIMULATED = "simulated", "Simulated labeller"
    AI = "ai", "AI labeller"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin, TimestampedModel):
    """Somebody who signs in, or the author of ratings that came from elsewhere (no e-mail, cannot sign in)."""

    email = models.EmailField(null=True, blank=True, unique=True)
    name = models.CharField(max_length=150, blank=True)
    pseudonym = models.CharField(max_length=16, default=new_pseudonym, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=UserKind, default=UserKind.PERSON)
    # "project slug/name in the file": the same labeller of the same source is one user, however often it is imported.
    external_key = models.CharField(max_length=300, null=True, blank=True, unique=True, editable=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May create projects.")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="users_email_is_lower_case"),
            models.CheckConstraint(
                condition=Q(kind=UserKind.PERSON, email__isnull=False) | (~Q(kind=UserKind.PERSON) & Q(email=None)),
                name="users_email_exactly_for_persons",
            ),
            models.CheckConstraint(
                condition=Q(kind=UserKind.PERSON) | Q(external_key__isnull=False), name="users_external_have_a_key"
            ),
        ]

    @property
    def public_name(self) -> str:
        """What other members of a project may read: never the address."""
        return self.name or self.pseudonym

    def __str__(self) -> str:
        return self.name or self.email or self.pseudonym


class ApiToken(TimestampedModel):
    """A program's key. Only its SHA-256 is kept: 256 random bits need no slow hash, and the look-up stays one index."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="api_tokens_digest_is_sha256"),
            models.UniqueConstraint(fields=["user", "name"], name="api_tokens_name_unique_per_user"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
