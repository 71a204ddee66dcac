"""The only way from a request's identifier to a permitted project."""

from dataclasses import dataclass

from annotate.accounts.models import User
from annotate.common.compiled import Compiled
from annotate.common.errors import DomainError, not_found
from annotate.projects.models import CAPABILITIES, Capability, Membership, Project, Role


@dataclass(frozen=True)
class Seat:
    """A user's place in a project: what they may do there."""

    user: User
    project: Project
    role: Role

    @property
    def capabilities(self) -> frozenset[Capability]:
        return CAPABILITIES[self.role]

    @property
    def may_see_names(self) -> bool:
        """Whether they may know who labellers are; to the others these are pseudonyms."""
        return bool({Capability.MANAGE, Capability.ADJUDICATE} & self.capabilities)

    def require(self, capability: Capability) -> None:
        """Raise 403 `not_permitted` unless the role has the capability."""
        if capability not in self.capabilities:
            raise DomainError(
                "not_permitted",
                f"Your role in {self.project.name!r} is {self.role.label.lower()}, which may not do this: "
                f"{Capability(capability).label.lower()}. An owner can change roles under Members.",
                status=403,
                capability=str(capability.value),
            )


def _seat(user: User, membership: Membership | None, project: Project | None) -> Seat:
    if membership is not None:
        return Seat(user, membership.project, Role(membership.role))
    if project is not None and user.is_superuser:
        return Seat(user, project, Role.OWNER)
    raise not_found("project")


_membership = Compiled(
    lambda user, slug: Membership.objects.select_related("project", "project__pool").filter(
        user=user, project__slug=slug, is_active=True
    ),
    int,
    str,
)


def access_project(user: User, slug: str, capability: Capability) -> Seat:
    """The caller's seat in the project. One query. 404 for outsiders, 403 for members without the capability."""
    membership = _membership.first(user.pk, slug)
    project = None
    if membership is None and user.is_superuser:
        project = Project.objects.select_related("pool").filter(slug=slug).first()
    seat = _seat(user, membership, project)
    seat.require(capability)
    return seat


def access_project_by_id(user: User, project_id: int, capability: Capability) -> Seat:
    """The same for rows that carry their project's id, such as jobs."""
    project = Project.objects.select_related("pool").filter(pk=project_id).first()
    if project is None:
        raise not_found("project")
    return access_project(user, project.slug, capability)
