"""A page's own content: title, language, blocks and links, without navigation, banners and footers."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from urllib.parse import urljoin

import trafilatura
from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring

from knowledge.blocks import HEADINGS, Block, blocks, inline_text
from knowledge.listing import is_listing

_KNOWN_CONTAINERS = (
    '//*[contains(concat(" ", normalize-space(@class), " "), " article-body ")]',
    '//*[contains(concat(" ", normalize-space(@class), " "), " theme-doc-markdown ")]',
    '//*[contains(concat(" ", normalize-space(@class), " "), " article__body ")]',
    '//*[@itemprop="articleBody"]',
)
_DROPPED_TAGS = frozenset(
    (
        *(
            "nav",
            "aside",
            "footer",
            "form",
            "script",
            "style",
            "noscript",
            "template",
            "svg",
            "iframe",
            "button",
            "input",
        ),
        *("select", "textarea", "dialog", "object", "embed", "canvas", "video", "audio", "map", "head"),
    )
)
_DROPPED_ROLES = frozenset(
    (
        "navigation",
        "banner",
        "contentinfo",
        "dialog",
        "alertdialog",
        "search",
        "complementary",
        "menu",
        "toolbar",
    )
)
_BOILERPLATE = re.compile(
    r"(^|[-_\s])(cookies?|consent|gdpr|breadcrumbs?|feedback|share|sharing|social|newsletter|subscribe|pagination"
    r"|pager|toc|table-of-contents|skip-?link|sidebar|promo|advert\w*|cta|comments|related|helpful|was-this"
    r"|prev-next|edit-page|no-?print)($|[-_\s])",
    re.IGNORECASE,
)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)
_SITE_SUFFIX = re.compile(r"\s+[|·•–—»-]\s+[^|·•–—»]{1,60}$")
_LANDMARK_CHARACTERS = 200
MOST_LINKS = 2000
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined"})  # codecs of Python that no page is written in
_LINK_LIST = 3
_Panels = dict[str | None, list[HtmlElement]]  # what stands under an id, which careless pages use twice


@dataclass(frozen=True)
class Extracted:
    """What a page says. `language` is only what the page claims ('' if nothing); `links` are absolute, at most
    MOST_LINKS, with fragments removed by nobody yet; `canonical` is absolute or ''."""

    title: str
    language: str
    blocks: tuple[Block, ...]
    links: tuple[str, ...]
    canonical: str
    is_noindex: bool
    needs_script: bool = False
    is_listing: bool = False

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.blocks)


def extract(body: bytes, *, url: str, charset: str = "") -> Extracted:
    """Read an HTML page. Never raises for bad HTML: what cannot be read has no blocks."""
    root = _parse(decode(body, charset=charset))
    if root is None:
        return Extracted("", "", (), (), "", is_noindex=False)
    base = urljoin(url, next(iter(root.xpath("//base/@href")), ""))
    links = _links(root, base)
    canonical = next(iter(root.xpath('//link[@rel="canonical"]/@href')), "")
    language = str(root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "")
    has_scripts = bool(root.xpath("//script[@src]"))
    noindex = _is_noindex(root)
    page_title = _page_title(root)
    _open_accordions(root)
    main = _main(root)
    only_lists = False
    if main is not None:
        _clean(main)
        only_lists = is_listing(main)
        _drop_related_links(main)
        _drop_link_lists(main)
    title = _heading_title(main) or page_title
    found = blocks(main, title=title) if main is not None else []
    if sum(len(block.text) for block in found) < _LANDMARK_CHARACTERS:
        found = _better(found, _fallback(root, title))
    return Extracted(
        title=title[:300],
        language=re.split(r"[-_]", language.strip().lower())[0][:8],
        blocks=tuple(found),
        links=links,
        canonical=urljoin(base, canonical.strip()) if canonical.strip() else "",
        is_noindex=noindex,
        needs_script=has_scripts and not found,
        is_listing=only_lists,
    )


def decode(body: bytes, *, charset: str = "") -> str:
    """Bytes of a page as text: byte order mark, header, meta, UTF-8, then Windows-1252, first that fits."""
    declared = _META_CHARSET.search(body[:4096])
    marked = (
        "utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
    )
    for name in (marked, charset, declared[1].decode("ascii") if declared else "", "utf-8"):
        try:
            if name and codecs.lookup(name).name not in _NO_CHARSETS:
                return body.decode(name).replace("\0", "")
        except (LookupError, UnicodeError, ValueError):
            continue
    return body.decode("cp1252", "replace").replace("\0", "")


def _parse(text: str) -> HtmlElement | None:
    parser = HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _links(root: HtmlElement, base: str) -> tuple[str, ...]:
    links: dict[str, None] = {}
    for anchor in root.iter("a", "area"):
        href = (anchor.get("href") or "").strip()
        if href and not href.startswith("#") and "nofollow" not in (anchor.get("rel") or "").lower():
            try:
                links[urljoin(base, href)] = None
            except ValueError:
                continue
        if len(links) >= MOST_LINKS:
            break
    return tuple(links)


def _is_noindex(root: HtmlElement) -> bool:
    for meta in root.iter("meta"):
        if (meta.get("name") or "").lower() in ("robots", "builtabot"):
            words = re.split(r"[\s,]+", (meta.get("content") or "").lower())
            if "noindex" in words or "none" in words:
                return True
    return False


def _page_title(root: HtmlElement) -> str:
    """The document's title without the site's name behind it."""
    title = next((inline_text(found) for found in root.iter("title")), "")
    return _SITE_SUFFIX.sub("", title) or title


def _heading_title(main: HtmlElement | None) -> str:
    if main is None:
        return ""
    names = [inline_text(heading) for heading in main.iter("h1")]
    return names[0] if len(names) == 1 else ""


def _main(root: HtmlElement) -> HtmlElement | None:
    """The landmark that holds the content: a known container, the one large article, or main."""
    for path in _KNOWN_CONTAINERS:
        found = root.xpath(path)
        if len(found) == 1 and found[0].xpath("boolean(ancestor-or-self::main//h1)") is False:
            return found[0] if found[0].tag != "body" else None
    mains = root.xpath('//main | //*[@role="main"]')
    main = max(mains, key=_length) if mains else None
    articles = (root if main is None else main).xpath(".//article[not(ancestor::article)]")
    if articles:
        largest = max(articles, key=_length)
        if main is None or _length(largest) > 0.6 * _length(main):
            return largest if main is not None or len(articles) == 1 else largest.getparent()
    return main


def _length(element: HtmlElement) -> int:
    return len(inline_text(element))


def _open_accordions(root: HtmlElement) -> None:
    """Turn the questions of accordions, disclosures and definition lists into headings.

    Readers see them as headings; as buttons they would be dropped and their answers run together.
    """
    level = 1
    panels = _by_id(root)
    for element in list(root.iter()):
        if element.tag in HEADINGS:
            level = HEADINGS[element.tag]
            _unwrap_buttons(element, panels)
        elif element.tag == "summary" or (element.tag == "dt" and element.getnext() is not None):
            _make_heading(element, level + 1)
        elif element.tag == "details":
            element.tag = "div"
        elif _is_accordion_button(element):
            _show_panel(panels, element)
            _make_heading(element, level + 1)


def _is_accordion_button(element: HtmlElement) -> bool:
    if element.get("aria-expanded") is None or element.get("aria-haspopup") not in (None, "false"):
        return False
    is_button = element.tag == "button" or element.get("role") == "button"
    return is_button and not element.xpath("boolean(ancestor::nav | ancestor::header | ancestor::form)")


def _by_id(root: HtmlElement) -> _Panels:
    found: _Panels = {}
    for element in root.iterfind(".//*[@id]"):
        found.setdefault(element.get("id"), []).append(element)
    return found


def _unwrap_buttons(heading: HtmlElement, panels: _Panels) -> None:
    for button in list(heading.iter("button")):
        _show_panel(panels, button)
        if not heading.get("id"):
            heading.set("data-anchor", button.get("aria-controls") or button.get("id") or "")
        button.tag = "span"


def _make_heading(element: HtmlElement, level: int) -> None:
    if not inline_text(element):
        return
    anchor = element.get("id") or element.get("aria-controls") or ""
    parent = element.getparent()
    if not anchor and parent is not None and parent.tag in ("details", "div", "li"):
        anchor = parent.get("id") or ""
    element.set("data-anchor", anchor)
    element.tag = f"h{min(level, 6)}"


def _show_panel(panels: _Panels, button: HtmlElement) -> None:
    for panel in panels.pop(button.get("aria-controls"), ()):  # shown once is shown
        panel.attrib.pop("hidden", None)
        panel.attrib.pop("aria-hidden", None)


def _clean(main: HtmlElement) -> None:
    whole = _length(main) or 1
    for element in list(main.iter()):
        if element is main or element.getparent() is None or not isinstance(element.tag, str):
            continue
        if _is_dropped(element) or (_is_boilerplate(element) and _length(element) < 0.4 * whole):
            element.drop_tree()


def _drop_related_links(main: HtmlElement) -> None:
    """Drop an ending that is a heading over a list of nothing but links ("Related articles", in any
    language): the titles of other pages would make this one match questions about them."""
    last = next((child for child in reversed(main) if inline_text(child)), None)
    heading = last.getprevious() if last is not None and last.tag in ("ul", "ol") else None
    if last is None or heading is None or heading.tag not in HEADINGS or heading.tag == "h1":
        return
    linked = sum(_length(link) for link in last.iter("a"))
    if linked >= 0.9 * sum(_length(item) for item in last) and _length(main) > 2 * _length(last):
        main.remove(heading)
        main.remove(last)


def _drop_link_lists(main: HtmlElement) -> None:
    """Drop lists of three and more links to other pages and nothing else: the contents of a section or site.
    Each of those pages says it better, and would lose to the list."""
    for found in list(main.iter("ul", "ol")):
        items = [item for item in found if item.tag == "li" and inline_text(item)]
        if len(items) >= _LINK_LIST and found.getparent() is not None and all(map(_is_link_only, items)):
            found.drop_tree()


def _is_link_only(item: HtmlElement) -> bool:
    links = [link for link in item.iter("a") if not (link.get("href") or "").startswith(("tel:", "mailto:", "#"))]
    return bool(links) and sum(map(_length, links)) >= 0.9 * _length(item)


def _is_dropped(element: HtmlElement) -> bool:
    if element.tag in _DROPPED_TAGS or (element.get("role") or "").lower() in _DROPPED_ROLES:
        return True
    return element.get("hidden") is not None or element.get("aria-hidden") == "true"


def _is_boilerplate(element: HtmlElement) -> bool:
    if element.tag in HEADINGS:
        return False  # their ids repeat their words: "comment-faire" is a French question
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return bool(_BOILERPLATE.search(names)) and next(element.iter("h1"), None) is None


def _better(landmark: list[Block], fallback: list[Block]) -> list[Block]:
    """A short landmark page stays as it is unless the fallback found clearly more."""
    size = sum(len(block.text) for block in landmark)
    return fallback if sum(len(block.text) for block in fallback) > 2 * size else landmark


def _fallback(root: HtmlElement, title: str) -> list[Block]:
    html = tostring(root, encoding="unicode")
    xml = trafilatura.extract(html, output_format="xml", include_comments=False, include_tables=True)
    if not xml:
        return []
    tree = document_fromstring(f"<html><body>{xml[xml.index('<doc') :]}</body></html>")
    for element in tree.iter():
        if element.tag == "head":
            level = (element.get("rend") or "h2")[-1]
            element.tag = f"h{level}" if level in "123456" else "h2"
        else:
            element.tag = _FROM_TRAFILATURA.get(element.tag, element.tag)
    return blocks(tree, title=title)


_FROM_TRAFILATURA = {"list": "ul", "item": "li", "row": "tr", "cell": "td", "lb": "br", "hi": "b", "ref": "a"}
