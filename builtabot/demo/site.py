"""The demo's website as a pure function: the shop, its help centre, sitemap and robots.txt.

It stands for a customer's own site, so nothing here knows the product except the address of its script.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from xml.sax.saxutils import escape

from django.template import Context, Engine

from builtabot.demo.pages import SECTIONS, Page, load_pages, render_article

_HERE = Path(__file__).parent
_HTML = "text/html; charset=utf-8"
_ASSETS = {"/assets/brand.css", "/assets/help.css", "/assets/shop.css"}
MANUAL_PATH = "/help/files/beacon-hub-manual.pdf"

# Pages that also exist in a print layout, which names the original as canonical.
PRINTED = {
    "/print/returning-a-lamp": "/help/returns/returning-a-lamp",
    "/print/delivery-prices": "/help/delivery/delivery-prices",
}
_POPULAR = (
    "/help/delivery/tracking",
    "/help/returns/returning-a-lamp",
    "/help/returns/refund-times",
    "/help/lamps/bulbs-and-fittings",
    "/help/beacon/error-codes",
    "/help/start/faq",
)
_NOTICES = {
    "/checkout": (
        "The till is closed",
        "This shop is a demonstration: nothing can be bought, and nothing was charged.",
    ),
    "/newsletter": (
        "Nothing was sent",
        "This shop is a demonstration: it has no newsletter and kept no address.",
    ),
}


@dataclass(frozen=True)
class Response:
    """What a server sends back; `etag` is quoted, `last_modified` an HTTP date, both "" on a 404."""

    status: int
    content_type: str
    body: bytes
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class _Site:
    """Where the site and the widget are reached; with no `base_url` links are relative to the root."""

    base_url: str
    widget_base_url: str


_Route = Callable[[_Site], tuple[str, bytes, date]]


def respond(path: str, *, widget_base_url: str, site_base_url: str = "") -> Response:
    """The answer to a GET of `path` (a query string is ignored).

    `widget_base_url` is the tenant's host, for example `http://acme.localhost:8000`. `site_base_url` is this
    site's own origin, without a slash at the end; only with it are sitemap and canonical links absolute.
    """
    path = path.partition("?")[0].partition("#")[0]
    site = _Site(site_base_url, widget_base_url)
    if path == "/help":
        path = "/help/"
    if path not in _routes():
        return Response(404, _HTML, _not_found(site))
    return _answer(path, site)


def paths() -> list[str]:
    """Every path that `respond` answers with 200."""
    return list(_routes())


@lru_cache(maxsize=512)
def _answer(path: str, site: _Site) -> Response:
    content_type, body, updated = _routes()[path](site)
    return Response(
        status=200,
        content_type=content_type,
        body=body,
        etag=f'"{hashlib.sha256(body).hexdigest()[:24]}"',
        last_modified=format_datetime(datetime.combine(updated, time(), UTC), usegmt=True),
    )


@cache
def _routes() -> dict[str, _Route]:
    routes: dict[str, _Route] = {
        "/": partial(_html, "shop.html", {}),
        "/cart": partial(_html, "cart.html", {}),
        "/help/": _help_index,
        "/internal/stock-plan": partial(_html, "internal.html", {}),
        "/sitemap.xml": _sitemap,
        "/robots.txt": _robots,
        MANUAL_PATH: partial(_file, "manual/beacon-hub-manual.pdf", "application/pdf"),
    }
    routes |= {f"/help/{section}/": partial(_help_section, section) for section in SECTIONS}
    routes |= {page.path: partial(_help_page, page, "help_page.html") for page in load_pages().values()}
    routes |= {path: partial(_help_page, load_pages()[of], "print.html") for path, of in PRINTED.items()}
    routes |= {path: partial(_file, path[1:], "text/css; charset=utf-8") for path in _ASSETS}
    routes |= {
        path: partial(_html, "notice.html", {"title": title, "text": text})
        for path, (title, text) in _NOTICES.items()
    }
    return routes


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(_HERE / "templates")])


def _render(template: str, site: _Site, values: Mapping[str, object]) -> bytes:
    context = {"site": site, "sections": _navigation(), **values}
    # A Context made here, as Engine.render_to_string does, needs no settings: respond runs without Django.
    return _engine().get_template(template).render(Context(context, use_l10n=False, use_tz=False)).encode()


@cache
def _navigation() -> list[dict[str, object]]:
    pages = load_pages().values()
    return [
        {
            "key": key,
            "name": name,
            "path": f"/help/{key}/",
            "is_language": len(key) == 2,
            "pages": [page for page in pages if page.section == key],
        }
        for key, name in SECTIONS.items()
    ]


def _section(key: str) -> dict[str, object]:
    return next(section for section in _navigation() if section["key"] == key)


@cache
def _newest() -> date:
    return max(page.updated for page in load_pages().values())


def _html(template: str, values: Mapping[str, object], site: _Site) -> tuple[str, bytes, date]:
    return _HTML, _render(template, site, values), _newest()


def _help_index(site: _Site) -> tuple[str, bytes, date]:
    popular = [load_pages()[path] for path in _POPULAR]
    return _html("help_index.html", {"popular": popular, "canonical": "/help/"}, site)


def _help_section(key: str, site: _Site) -> tuple[str, bytes, date]:
    lang = key if len(key) == 2 else "en"
    values = {"section": _section(key), "lang": lang, "canonical": f"/help/{key}/"}
    return _html("help_section.html", values, site)


def _help_page(page: Page, template: str, site: _Site) -> tuple[str, bytes, date]:
    section = _section(page.section)
    siblings = [other for other in load_pages().values() if other.section == page.section and other != page]
    values = {
        "page": page,
        "lang": page.lang,
        "article": render_article(page),
        "section": section,
        "canonical": page.path,
        "related": siblings[:3],
        "updated": f"{page.updated:%d %B %Y}" if page.lang == "en" else page.updated.isoformat(),
        "print_path": next((path for path, of in PRINTED.items() if of == page.path), ""),
    }
    return _HTML, _render(template, site, values), page.updated


def _file(name: str, content_type: str, _site: _Site) -> tuple[str, bytes, date]:
    return content_type, (_HERE / name).read_bytes(), _newest()


def _not_found(site: _Site) -> bytes:
    text = "The address may be old or mistyped. The help centre lists every page we have."
    return _render("notice.html", site, {"title": "This page is not here", "text": text})


def _sitemap(site: _Site) -> tuple[str, bytes, date]:
    entries = "".join(
        f"  <url><loc>{escape(site.base_url + page.path)}</loc><lastmod>{page.updated}</lastmod></url>\n"
        for page in load_pages().values()
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'
    )
    return "application/xml", xml.encode(), _newest()


def _robots(site: _Site) -> tuple[str, bytes, date]:
    lines = ["User-agent: *", "Disallow: /internal/", "Disallow: /cart", "Disallow: /checkout"]
    if site.base_url:
        lines += ["", f"Sitemap: {site.base_url}/sitemap.xml"]
    return "text/plain; charset=utf-8", ("\n".join(lines) + "\n").encode(), _newest()
