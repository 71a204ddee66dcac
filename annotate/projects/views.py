"""The base of every view below /projects/{slug}/."""

from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from annotate.accounts.models import User
from annotate.common.pagination import NewestFirst
from annotate.projects.access import Seat, access_project
from annotate.projects.models import Capability


class PagedView(APIView):
    """A view that answers lists as cursor pages."""

    def paginated(
        self,
        queryset: QuerySet | Any,
        serializer: type[BaseSerializer],
        pages: type[BasePagination] = NewestFirst,
        context: dict[str, Any] | None = None,
    ) -> Response:
        paginator = pages()
        rows = paginator.paginate_queryset(queryset, self.request, view=self)
        return paginator.get_paginated_response(serializer(rows, many=True, context=context or {}).data)


class ProjectView(PagedView):
    """Finds the caller's seat before the handler runs; `needs` names the capability each method asks for."""

    needs: ClassVar[dict[str, Capability]] = {}
    seat: Seat

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        if method == "OPTIONS":
            method = next(iter(self.needs))
        if method not in self.needs:
            raise MethodNotAllowed(method)
        self.seat = access_project(cast(User, request.user), kwargs["slug"], self.needs[method])
