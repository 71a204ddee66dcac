"""Cursor pages: their cost does not grow with how far one has turned them. Numbered ones for small, sorted tables."""

from rest_framework.pagination import CursorPagination, PageNumberPagination


class NewestFirst(CursorPagination):
    """Pages by descending id, 50 rows unless `page_size` (at most 200) says otherwise."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering: str | tuple[str, ...] = "-id"


class OldestFirst(NewestFirst):
    ordering = "id"


class NewestCreatedFirst(NewestFirst):
    """For tables whose key is a UUID."""

    ordering = ("-created_at", "-id")


class Numbered(PageNumberPagination):
    """For tables that are sorted by any column and have hundreds of rows at most."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
