"""The websites of the business that signs up in test_six_steps.py: its help centre, its price list, its shop page.

Kayaks, not lamps: nothing that is found here can come from the demo's content.
"""

from __future__ import annotations

import time

from tests.fakes.http_server import Call, Exchange, HttpFake
from tests.knowledge.documents import pdf

BUSINESS = "Harbour Kayaks"
HELP = {
    "/": """<h1>Harbour Kayaks help</h1>
<ul><li><a href="/cancelling">Cancelling a tour</a></li><li><a href="/safety">Safety on the water</a></li>
<li><a href="/groups">Groups and schools</a></li></ul>""",
    "/cancelling": """<h1>Cancelling a tour</h1>
<h2>You cancel</h2><p>A tour can be cancelled free of charge until 48 hours before it begins. After that, half of the
price is kept.</p>
<h2>We cancel for the weather</h2><p>If the wind is above 6 Beaufort we cancel the tour ourselves, and you choose
between another day and all of your money back.</p>""",
    "/safety": """<h1>Safety on the water</h1>
<h2>What we lend you</h2><p>Every paddler gets a buoyancy aid, a helmet on white water and a dry bag. They are in the
price.</p>
<h2>Swimming</h2><p>You must be able to swim 50 metres in clothes. Children under 12 paddle in a double kayak with an
adult.</p>""",
    "/groups": """<h1>Groups and schools</h1>
<h2>How many we can take</h2><p>We take groups of up to 24 paddlers, with one guide for every eight of them.</p>
<h2>Schools</h2><p>School classes pay 19 euros a head on weekdays, teachers paddle free.</p>""",
}
PRICES = pdf(
    "Harbour Kayaks price list",
    "A single kayak costs 28 euros for half a day and 45 euros for a whole day.",
    "A double kayak costs 42 euros for half a day and 68 euros for a whole day.",
    "A lesson with an instructor costs 60 euros an hour, whatever the number of paddlers.",
    title="Price list",
)
FAQ = ("Do you have lockers for valuables?", "Yes. Lockers stand beside the slipway; bring a one euro coin.")
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 17px/1.5 Georgia, serif; max-width: 640px; margin: 40px auto; padding: 0 20px; }}</style>
</head><body><main>{body}</main>{end}</body></html>"""
SHOP = """<h1>Paddle out with us</h1><p>Half a day between the islands, with a guide who knows the seals by name.</p>"""


class Site(HttpFake):
    """A website of fixed pages, each of which takes its time."""

    def __init__(self, pages: dict[str, str], *, page_seconds: float = 0.0) -> None:
        super().__init__()
        self.pages, self.page_seconds = pages, page_seconds

    def answer(self, exchange: Exchange, call: Call) -> None:
        html = self.pages.get(call.path.split("?")[0])
        if html is None:
            # Browsers ask for an icon by themselves, and write on the console when there is none.
            exchange.send_body(204 if call.path == "/favicon.ico" else 404, b"", {"Content-Type": "text/plain"})
            return
        time.sleep(self.page_seconds)
        exchange.send_body(200, html.encode(), {"Content-Type": "text/html; charset=utf-8"})


def help_centre() -> Site:
    """The pages that the business's chatbot is to answer from, no quicker than those of most help centres: a reading
    of four pages can be watched, and does not end before anybody has looked."""
    pages = {path: _PAGE.format(title=f"{BUSINESS} help", body=body, end="") for path, body in HELP.items()}
    return Site(pages, page_seconds=1.0)


def shop(line: str) -> Site:
    """The business's own site, with the line that it was given before the end of the body."""
    return Site({"/": _PAGE.format(title=BUSINESS, body=SHOP, end=line)})
