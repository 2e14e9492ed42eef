"""What a business's plan gives it now: its month, what of each limit is used, and what it should be told.

Limits are gentle: nothing is deleted, no visitor is left without an answer, and every limit says in a sentence
what happens at it. Conversations have a grace of a tenth; only after it new ones go to people instead of the AI.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from tenants import ports
from tenants.errors import LimitReached
from tenants.models import Tenant
from tenants.schema import current_schema, run_in
from tenants.workspace.models import Project, Seat

GRACE_PERCENT = 10
NEAR_PERCENT = 80
WARN_DAYS = 3
State = Tenant.Subscription


class Kind(StrEnum):
    """What a plan limits; the values are fields of Plan, but for conversations."""

    CONVERSATIONS = "conversations"
    PAGES = "pages"
    PROJECTS = "projects"
    SEATS = "seats"


@dataclass(frozen=True)
class Month:
    """The stretch in which conversations count together: `start` is in it, `end` is not."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Allowance:
    """One limit of a plan. `limit` is None where there is none; `sentence` tells where it stands."""

    kind: Kind
    used: int
    limit: int | None
    sentence: str

    @property
    def left(self) -> int | None:
        """How many more fit, never below 0; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def is_used_up(self) -> bool:
        return self.limit is not None and self.used >= self.limit

    @property
    def is_near(self) -> bool:
        """Four fifths are used, or more."""
        return self.limit is not None and 100 * self.used >= NEAR_PERCENT * self.limit

    @property
    def share(self) -> int:
        """Of the limit, in whole percents up to 100; 0 without a limit."""
        return min(100, 100 * self.used // self.limit) if self.limit else 0


@dataclass(frozen=True)
class Notice:
    """The one thing about the plan that an owner should know now. `tone` is `late`, `warn` or `info`."""

    tone: str
    sentence: str


def current() -> Tenant:
    """The tenant whose schema this is, with its plan."""
    tenant: Tenant = Tenant.objects.select_related("plan").get(schema_name=current_schema())
    return tenant


def with_grace(limit: int) -> int:
    """Up to which conversation of a month the AI answers: the limit and a tenth more."""
    return limit + limit * GRACE_PERCENT // 100


def month_of(tenant: Tenant, now: datetime | None = None) -> Month:
    """The tenant's month around `now`, from the day its plan began, in UTC; the 31st becomes a shorter month's
    last day."""
    return month_around(tenant.billed_from or tenant.created_at, now or timezone.now())


def month_around(anchor: datetime, now: datetime) -> Month:
    """The month around `now` that begins at the anchor's day and time of day."""
    passed = (now.year - anchor.year) * 12 + now.month - anchor.month
    if _months_after(anchor, passed) > now:
        passed -= 1
    return Month(_months_after(anchor, passed), _months_after(anchor, passed + 1))


def _months_after(at: datetime, months: int) -> datetime:
    years, month = divmod(at.month - 1 + months, 12)
    last = monthrange(at.year + years, month + 1)[1]
    return at.replace(year=at.year + years, month=month + 1, day=min(at.day, last))


def limit_of(tenant: Tenant, kind: Kind) -> int | None:
    """The plan's limit, or None for no limit, or no plan."""
    name = "conversations_per_month" if kind is Kind.CONVERSATIONS else kind.value
    limit: int | None = getattr(tenant.plan, name) if tenant.plan else None
    return limit


def allowance(tenant: Tenant, kind: Kind, now: datetime | None = None) -> Allowance:
    """What a tenant has used of one limit, whatever schema the caller is in."""
    month = month_of(tenant, now)
    used = run_in(str(tenant.schema_name), _used, kind, month.start)
    limit = limit_of(tenant, kind)
    return Allowance(kind, used, limit, sentence_of(kind, used=used, limit=limit, month=month))


def allowances(tenant: Tenant, now: datetime | None = None) -> list[Allowance]:
    """Every limit, in the order of the page."""
    return [allowance(tenant, kind, now) for kind in Kind]


def _used(kind: Kind, since: datetime) -> int:
    if kind is Kind.PROJECTS:
        return Project.objects.count()
    if kind is Kind.SEATS:  # people who answer from Slack alone, without an account, take none
        return Seat.objects.filter(is_active=True, is_rehearsal=False, user_id__isnull=False).count()
    return ports.count(kind.value, since)


def sentence_of(kind: Kind, *, used: int, limit: int | None, month: Month) -> str:
    """Where a limit stands, and what happens at it."""
    if limit is None:
        return "No limit."
    if kind is Kind.CONVERSATIONS:
        return _conversations(used, limit, day(month.end))
    if used < limit:
        return {
            Kind.PAGES: "A reading stops at this many, and says so.",
            Kind.PROJECTS: "One chatbot each, with its own content, look and hours.",
            Kind.SEATS: "Everybody who may sign in.",
        }[kind]
    return {
        Kind.PAGES: f"Every page of the plan is in use, {limit:,} of {limit:,}. Remove a source, then others fit.",
        Kind.PROJECTS: f"Every chatbot of the plan is in use, {limit:,} of {limit:,}. Write to us for more.",
        Kind.SEATS: f"Every seat is taken, {limit:,} of {limit:,}. End somebody's access, and another fits.",
    }[kind]


def _conversations(used: int, limit: int, renewal: str) -> str:
    if used >= with_grace(limit):
        return (
            f"The month's {limit:,} conversations and a tenth more are used. Until {renewal}, new ones go to your "
            "team, or leave an e-mail address; those that run go on with the AI."
        )
    if used >= limit:
        rest = with_grace(limit) - used
        more = f"{rest:,} more are on us" if rest > 1 else "One more is on us"
        return f"The month's {limit:,} conversations are used. {more}; then new ones go to your team."
    return f"Counts anew on {renewal}. Tests do not count."


def day(at: datetime) -> str:
    """A day as people write it: 3 December 2026, in UTC."""
    return f"{at.day} {at:%B %Y}"


def require_room(kind: Kind) -> None:
    """Raises LimitReached where the present tenant's plan has no room for one more.

    Belongs into the transaction that adds the one: it holds the tenant's row, so that of two at once only one
    gets the last place.
    """
    rows = Tenant.objects.select_for_update(of=("self",), no_key=True).select_related("plan")
    found = allowance(rows.get(schema_name=current_schema()), kind)
    if found.is_used_up:
        raise LimitReached(found.sentence)


def notice_for(tenant: Tenant, now: datetime | None = None) -> Notice | None:
    """The worst that there is to tell about the plan, or None. Counts conversations alone: the other limits speak
    where they are met."""
    now = now or timezone.now()
    state = tenant.standing(now)
    if state == State.ENDED:
        return Notice("late", ended_sentence(tenant))
    found = allowance(tenant, Kind.CONVERSATIONS, now)
    if found.is_used_up:
        beyond = found.limit is not None and found.used >= with_grace(found.limit)
        return Notice("late" if beyond else "warn", found.sentence)
    if state == State.TRIAL and tenant.trial_ends_at is not None and (tenant.trial_ends_at - now).days < WARN_DAYS:
        return Notice("warn", f"The trial ends on {day(tenant.trial_ends_at)}. Then the AI rests until a plan starts.")
    if state == State.CANCELLED and tenant.ends_at is not None:
        return Notice("info", f"The plan is cancelled and runs until {day(tenant.ends_at)}.")
    if found.is_near:
        return Notice("info", f"{found.used:,} of the month's {found.limit:,} conversations are used.")
    return None


def ended_sentence(tenant: Tenant) -> str:
    """What an ended plan means, for the team."""
    what = "The trial" if tenant.cancelled_at is None and tenant.billed_from is None else "The plan"
    return (
        f"{what} has ended. The AI rests; visitors read that, and can leave an e-mail address. "
        "Nothing is deleted, and you can read everything."
    )
