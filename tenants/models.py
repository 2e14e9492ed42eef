"""The shared schema: who may enter which tenant, and what work waits where. Roles live on the seat alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django_tenants.models import DomainMixin, TenantMixin


class UserManager(BaseUserManager["User"]):
    """Users are made with an e-mail address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Store a user; the address is kept in lower case, unique without regard to case."""
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """A user of the platform's own staff."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractUser):
    """A person who signs in. Belongs to no tenant by itself: see Membership."""

    username = None  # type: ignore[assignment]  # AbstractUser has one; we sign in by e-mail
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[misc,assignment]  # AbstractUser's manager wants a user name

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email.split("@")[0]


class Plan(models.Model):
    """What a tenant pays for. A null limit is no limit."""

    key = models.SlugField(unique=True)
    name = models.CharField(max_length=60)
    price_cents = models.PositiveIntegerField(help_text="US cents a month.")
    conversations_per_month = models.PositiveIntegerField(null=True, blank=True)
    pages = models.PositiveIntegerField(null=True, blank=True)
    seats = models.PositiveIntegerField(null=True, blank=True)
    projects = models.PositiveIntegerField(null=True, blank=True)
    slack = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class Tenant(TenantMixin):
    """A business. Its rows live in its own schema; this row says only that it exists and what it pays for."""

    class Subscription(models.TextChoices):
        TRIAL = "trial", "Trial"
        ACTIVE = "active", "Active"
        CANCELLED = "cancelled", "Cancelled, runs to its end"
        ENDED = "ended", "Ended"

    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Subscription.TRIAL: frozenset({Subscription.ACTIVE, Subscription.CANCELLED, Subscription.ENDED}),
        Subscription.ACTIVE: frozenset({Subscription.CANCELLED, Subscription.ENDED}),
        Subscription.CANCELLED: frozenset({Subscription.TRIAL, Subscription.ACTIVE, Subscription.ENDED}),
        Subscription.ENDED: frozenset({Subscription.ACTIVE, Subscription.TRIAL}),
    }

    auto_create_schema = False  # tenants.provisioning makes schemas, from a template in a tenth of a second
    auto_drop_schema = False

    name = models.CharField(max_length=120)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    subscription = models.CharField(max_length=9, choices=Subscription.choices, default=Subscription.ACTIVE)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    billed_from = models.DateTimeField(
        null=True, blank=True, help_text="The day of the month on which the plan renews. Empty: the day it began."
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Until when a cancelled plan runs, or ran.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(subscription="trial") | models.Q(trial_ends_at__isnull=False),
                name="a_trial_has_an_end",
            ),
            models.CheckConstraint(
                condition=~models.Q(subscription="cancelled")
                | models.Q(cancelled_at__isnull=False, ends_at__isnull=False),
                name="a_cancelled_plan_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def stops_at(self) -> datetime | None:
        """When the plan stops unless somebody acts; None for one that renews itself, and for one that stopped."""
        if self.subscription == self.Subscription.TRIAL:
            return self.trial_ends_at
        return self.ends_at if self.subscription == self.Subscription.CANCELLED else None

    def standing(self, now: datetime | None = None) -> str:
        """The state as it is at `now`: what has run out has ended, whether that was written down yet or not."""
        if self.stops_at is not None and self.stops_at <= (now or timezone.now()):
            return self.Subscription.ENDED
        return self.subscription

    @property
    def has_ended(self) -> bool:
        """Whether the AI rests: the trial or the plan is over."""
        return self.standing() == self.Subscription.ENDED

    @property
    def has_only_tried(self) -> bool:
        """Whether all there was so far is a trial, running or ended: nobody cancelled it, and no plan was started."""
        tried = self.subscription in (self.Subscription.TRIAL, self.Subscription.ENDED)
        return tried and self.trial_ends_at is not None and self.billed_from is None

    @property
    def in_trial(self) -> bool:
        """Whether the trial still runs."""
        return self.standing() == self.Subscription.TRIAL


class Domain(DomainMixin):
    """A host name, without port, that leads to one tenant."""

    def __str__(self) -> str:
        return str(self.domain)


class Membership(models.Model):
    """That a user may enter a tenant. What they may do there is the seat's role."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class SignInTicket(models.Model):
    """Carries a sign-in from the public host to a tenant's host, once, within 60 seconds.

    Only the SHA-256 of the token is stored.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    host = models.CharField(max_length=253)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"ticket for {self.host}"


class ExternalRoute(models.Model):
    """Which tenant an outside address belongs to, e.g. kind `slack_team`, key `T012`."""

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    schema = models.CharField(max_length=63)
    project_key = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="one_route_each")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class ExternalEvent(models.Model):
    """A verified call from outside, stored before it is answered; `external_id` makes repeats harmless."""

    kind = models.CharField(max_length=40)
    external_id = models.CharField(max_length=200)
    # The database's default serves writers that do not know the column yet, while a deployment goes on.
    lane = models.CharField(
        max_length=500, blank=True, db_default="", help_text="Calls of one lane are handled in order; empty: at once."
    )
    body = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now, help_text="Not to be handled again before then.")
    handled_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "external_id"], name="one_external_event_each")]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(handled_at__isnull=True), name="open_external_events")
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.external_id}"


class Due(models.Model):
    """That a schema has work of one kind, no earlier than `at`. Written in the transaction that makes the
    work; the sweep reads this table, and nothing loops over all tenants."""

    schema = models.CharField(max_length=63)
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schema", "kind"], name="one_due_each")]
        indexes = [models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"{self.kind} in {self.schema}"


class Heartbeat(models.Model):
    """The last sign of life of a worker of one queue."""

    name = models.CharField(max_length=60, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class SchemaTemplate(models.Model):
    """The SQL that builds a tenant's schema at one state of the migrations; `fingerprint` names that state."""

    fingerprint = models.CharField(max_length=64, unique=True)
    sql = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.fingerprint[:12]
