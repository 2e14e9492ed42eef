"""What the admin pages may load, and which of Django's admin views nobody gets to see."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.sites import UnfoldAdminSite

# The pages bring Alpine, which evaluates strings, and styles written into the markup. No script in the markup.
CONTENT = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
# Accounts are made and kept on the public host; links by content type would lead across tenants.
HIDDEN = frozenset({"login", "password_change", "password_change_done", "view_on_site"})


class FilteredByListed:
    """A list is narrowed by what it offers as a filter, and by nothing else: Django takes every column of the table
    from the address, and one guess after the other reads a column that no page shows, like a password's hash."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        admin: Any = self
        offered = {filter_[0] if isinstance(filter_, tuple) else filter_ for filter_ in admin.list_filter}
        parent: Any = super()
        return lookup.split(LOOKUP_SEP)[0] in {*offered, admin.date_hierarchy} and bool(
            parent.lookup_allowed(lookup, value, request)
        )


class GuardedSite(UnfoldAdminSite):
    """An admin site that turns strangers away itself, under a policy of its own.

    A subclass says who may come in (`has_permission`), what the others get (`turn_away`), and where signing
    out happens (`sign_out_at`, by POST).
    """

    sign_out_at = "/"
    # Django's own first page lists its log, whose rows would be of all tenants.
    index_template = app_index_template = "admin/settings_index.html"

    def turn_away(self, request: Any) -> HttpResponse:
        raise NotImplementedError

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                return self.turn_away(request)
            response: HttpResponse = inner(request, *args, **kwargs)
            return response

        held: Callable[..., Any] = csp_replace(CONTENT)(guarded)
        return update_wrapper(held, view)

    def get_urls(self) -> list[Any]:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in HIDDEN]

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Hand the button's POST, with its token, to where sessions end."""
        response = HttpResponseRedirect(self.sign_out_at)
        response.status_code = 307
        return response
