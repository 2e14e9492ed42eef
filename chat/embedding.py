"""Which sites may show a project's widget. The list guards against misuse; budgets and limits are the defence."""

from __future__ import annotations

from collections.abc import Iterable

from tenants.workspace.sites import site_of


def may_embed(origin: str | None, allowed_sites: Iterable[object], own: str) -> bool:
    """Whether a page of `origin` (its Origin header) may open sessions; `own` is the tenant's own origin.

    An empty list allows any site. With a list, a request that names no origin is refused, and so is
    one whose entries are all unreadable: a list that was meant to close must not open.
    """
    entries = list(allowed_sites)
    if not entries:
        return True
    if not origin or (asked := site_of(origin)) is None or "*" in asked or "://" not in origin:
        return False
    return asked == site_of(own) or any(_matches(asked, site) for entry in entries if (site := site_of(entry)))


def frame_ancestors(allowed_sites: Iterable[object]) -> list[str]:
    """The sources of the frame's `frame-ancestors`: the sites and our own host, or `*` when any may."""
    entries = list(allowed_sites)
    if not entries:
        return ["*"]
    return ["'self'", *dict.fromkeys(site for entry in entries if (site := site_of(entry)))]


def _matches(asked: str, site: str) -> bool:
    scheme, _, rest = site.partition("://")
    if not rest.startswith("*."):
        return asked == site
    asked_scheme, _, asked_rest = asked.partition("://")
    return asked_scheme == scheme and asked_rest.endswith(rest[1:])
