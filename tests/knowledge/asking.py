"""A project that has read a small site, and the commands about one project as somebody would type them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command

from knowledge import actions
from knowledge.crawl.work import work_off
from tenants.workspace.models import Project
from tests.cast import Cast
from tests.knowledge.web import Web

KEY = "docs"
PAGES = {
    "/help/": ("Help", '<a href="returns">x</a><a href="delivery">x</a><a href="warranty">x</a><a href="bulbs">x</a>'),
    "/help/returns": (
        "Returns",
        "<p>You can send a lamp back within thirty days of delivery. We pay the postage for the parcel.</p>"
        '<h2 id="refund">When the money comes back</h2><p>A refund takes five working days on a card.</p>'
        "<h2>What cannot come back</h2><p>Cut cable and lamps made to measure stay yours.</p>",
    ),
    "/help/delivery": ("Delivery", "<p>Parcels arrive within three working days. Heavy lamps come by lorry.</p>"),
    "/help/warranty": ("Warranty", "<p>Every lamp is covered for five years against faults of the maker.</p>"),
    "/help/bulbs": ("Bulbs", "<p>Use a bulb with an E27 socket and at most sixty watts.</p>"),
}


def read_site(cast: Cast, web: Web) -> None:
    """A project of the tenant's own for the site, which has been read. Needs the tenant's schema."""
    for path, (title, html) in PAGES.items():
        web.page(path, f"<main><h1>{title}</h1>{html}</main>")
    project = Project.objects.create(key=KEY, name="Docs")
    source = actions.add_source(project=project, kind="site", url=f"{web.url}/help/")
    run = actions.start_crawl(source=source)
    work_off(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.indexed) == ("done", 4)


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int = 0

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def run(name: str, *arguments: str, host: str, project: str = KEY) -> Said:
    """Call a command as `manage.py` does; raises CommandError."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(name, *arguments, "--host", host, "--project", project, stdout=out, stderr=err)
    except SystemExit as end:
        code = int(end.code or 0)
    return Said(out.getvalue(), err.getvalue(), code)
