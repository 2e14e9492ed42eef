"""Two businesses with content, agents and Slack, in a fresh database. `python -m tests.faults.plant` prints them.

Runs in a process of its own, because only there is Django: the harness itself reads rows with plain SQL.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django

AGENTS = {"a": 3, "b": 2}
PAGES = {
    "Returning a lamp": "You can return a lamp within 30 days of delivery. Pack it in its first box. The courier "
    "collects it from your door, and the return costs nothing at all.",
    "Delivery times": "Chairs and tables are delivered within 5 working days. Sofas take three weeks, because they "
    "are made to order. You choose the morning or the afternoon for the delivery.",
    "Washing the covers": "All cushion covers can be washed at 30 degrees. Wool covers are cleaned by hand. Never use "
    "a tumble dryer, it shrinks the cotton.",
    "Assembly of a bed": "A bed is assembled by two people in about one hour. The tools are in the box. Our fitters do "
    "it for 49 euros, if you book them with the order.",
    "Guarantee": "Every piece of furniture has a guarantee of five years on its frame, and of two years on fabric and "
    "electric parts. Keep the number on the label.",
    "Showrooms": "Our showrooms in Hamburg and Vienna open from 10 to 19 on weekdays. Parking is free for two hours "
    "behind the building.",
}


def main() -> None:
    django.setup()
    sys.stdout.write(json.dumps([_tenant(name, count) for name, count in AGENTS.items()]) + "\n")


def _tenant(name: str, agents: int) -> dict[str, Any]:
    from tenants import provisioning
    from tenants.access import open_session
    from tenants.models import Domain, Membership, Tenant, User
    from tenants.schema import run_in

    schema = provisioning.new_schema_name()
    tenant = Tenant.objects.create(schema_name=schema, name=f"Team {name}")
    host = f"{name}.localhost"
    Domain.objects.create(domain=host, tenant=tenant, is_primary=True)
    provisioning.create_schema(schema)
    users = []
    for number in range(agents):
        user = User.objects.create_user(f"{name}{number}@agents.example", None, name=f"Agent {name}{number}")
        Membership.objects.create(user=user, tenant=tenant)
        users.append((user, open_session(user=user, tenant=tenant, seconds=7200)))
    seats = run_in(schema, _fill, name, users)
    return {"name": name, "schema": schema, "host": host, "agents": seats}


def _fill(name: str, users: list[tuple[Any, str]]) -> list[dict[str, Any]]:
    from livesupport.models import Availability, SlackInstall
    from tenants.workspace.models import Project, Seat

    project = Project.objects.create(
        key="shop",
        name=f"Shop {name}",
        answerer=Project.Answerer.OPENAI,
        handoffs_to=Project.HandoffsTo.BOTH,
        claim_target_seconds=30,
        mood_enabled=False,  # whoever asks much in little time would soon be taken for cross
    )
    SlackInstall.objects.create(
        project=project, app_id="A0FAKE", team_id="T0FAKE", team_name="Acme", bot_user_id="U0BOT",
        bot_token="xoxb-fake", channel_id="C0SUPPORT" if name == "a" else "C0OTHER", channel_name="support",
    )  # fmt: skip
    _content(project)
    found = []
    for user, session in users:
        seat = Seat.objects.create(user_id=user.pk, name=user.name, email=user.email, role=Seat.Role.AGENT)
        Availability.objects.create(seat=seat, capacity=60, seen_at=None)
        found.append({"seat": seat.pk, "name": seat.name, "session": session})
    return found


def _content(project: Any) -> None:
    from django.utils import timezone

    from knowledge import embed
    from knowledge.models import Chunk, CrawlRun, Document, Source

    source = Source.objects.create(project=project, url="https://help.shop.example/", name="Help")
    run = CrawlRun.objects.create(source=source, state=CrawlRun.State.DONE, finished_at=timezone.now())
    Source.objects.filter(pk=source.pk).update(live_run=run)
    shared = {"source": source, "project": project, "run": run, "language": "en", "is_live": True}
    for title, text in PAGES.items():
        url = "https://help.shop.example/" + title.lower().replace(" ", "-")
        page = Document.objects.create(url=url, title=title, words=len(text.split()), **shared)
        Chunk.objects.create(
            document=page, project=project, position=1, heading=title, text=text, tokens=embed.count_tokens(text),
            language="en", engine=embed.engine_id(), embedding=embed.chunk_vector(title, text), is_live=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
