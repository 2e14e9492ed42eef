"""`manage.py seed_demo --static-url URL`: the demo's business, its two people, its chatbot and its content."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from builtabot.demo.business import BUSINESS, HELP_NAME, HOURS, PEOPLE, PROJECT
from knowledge import actions as knowledge
from knowledge.models import CrawlRun, Source
from knowledge.policies import OPEN
from livesupport.models import OpeningHours
from tenants import actions
from tenants.models import Domain, Tenant, User
from tenants.schema import run_in
from tenants.workspace.models import Project, Seat

ADDRESS = "acme"
TERMS = actions.Terms(plan="unlimited", trial_days=None, project_key="shop", timezone="Europe/Dublin")


class Command(BaseCommand):
    help = "Make the demo's tenant, or bring it up to date with where its website runs now."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--static-url", required=True, help="Where the demo's website runs, e.g. http://127.0.0.1:8001"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        site = str(options["static_url"]).rstrip("/")
        if not settings.DEMO_PASSWORD:
            raise CommandError("DEMO_PASSWORD is not set. `make demo` makes one; else set it.")
        if urlsplit(site).scheme not in {"http", "https"} or not urlsplit(site).hostname:
            raise CommandError(f"--static-url must be an address like http://127.0.0.1:8001, not {site!r}.")
        people = [_person(email, name) for email, name, _ in PEOPLE]
        tenant, is_new = _business(founder=people[0])
        for user, (_, _, role) in zip(people, PEOPLE, strict=True):
            actions.add_person(tenant=tenant, user=user, role=Seat.Role(role))
        crawling = run_in(str(tenant.schema_name), _furnish, site, is_new=is_new)
        self.stdout.write(
            f"{BUSINESS} is there; its help centre {'will be read now' if crawling else 'needs no new reading'}."
        )


def _person(email: str, name: str) -> User:
    user = User.objects.filter(email=email).first() or User.objects.create_user(email, name=name)
    if not user.check_password(settings.DEMO_PASSWORD):
        user.set_password(settings.DEMO_PASSWORD)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user


def _business(*, founder: User) -> tuple[Tenant, bool]:
    """The demo's tenant, and whether it was made just now."""
    domain = Domain.objects.select_related("tenant").filter(domain=f"{ADDRESS}.{settings.BASE_DOMAIN}").first()
    if domain is not None:
        return domain.tenant, False
    return actions.sign_up(user=founder, business=BUSINESS, address=ADDRESS, terms=TERMS), True


def _furnish(site: str, *, is_new: bool) -> bool:
    """Bring the project in line with where the website runs; whether a crawl was started.

    What somebody changed in a demo that was there before stays as they left it.
    """
    parts = urlsplit(site)
    port = f":{parts.port}" if parts.port else ""
    sites = list(dict.fromkeys([f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://localhost{port}"]))
    with transaction.atomic():
        project = Project.objects.get(key=TERMS.project_key)
        if is_new:
            Project.objects.filter(pk=project.pk).update(**PROJECT)
            OpeningHours.objects.bulk_create(
                OpeningHours(project=project, weekday=day, opens=opens, closes=closes) for day, opens, closes in HOURS
            )
        if not set(sites) <= set(project.allowed_sites):
            project.allowed_sites = sites
            project.save(update_fields=["allowed_sites"])
        source = _source(project, f"{site}/help/")
        if not _needs_reading(source):
            return False
        knowledge.start_crawl(source=source)
    return True


def _source(project: Project, url: str) -> Source:
    source = project.sources.filter(kind=Source.Kind.SITE, name=HELP_NAME).first()
    if source is None:
        return knowledge.add_source(project=project, kind=Source.Kind.SITE, url=url, name=HELP_NAME)
    if source.url != url:
        source.url = url
        source.save(update_fields=["url"])
        # No worker runs while the demo is seeded: an open reading of the old address is nobody's.
        source.runs.filter(state__in=OPEN).update(state=CrawlRun.State.CANCELLED)
    return source


def _needs_reading(source: Source) -> bool:
    """Unless a reading of this very address is under way or answers: its citations must lead somewhere."""
    newest = source.runs.order_by("-pk").first()
    if newest is None or newest.state in {CrawlRun.State.FAILED, CrawlRun.State.CANCELLED}:
        return True
    if newest.state != CrawlRun.State.DONE:
        return False
    live = source.documents.filter(is_live=True).values_list("url", flat=True).first()
    return live is None or not live.startswith(source.url)
