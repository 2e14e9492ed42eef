"""Who somebody in Slack is here: their seat by e-mail address, or one of their own without an account."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chat.errors import NotAllowed
from livesupport.models import SlackInstall, SlackPerson
from livesupport.slack.client import Slack
from livesupport.slack.errors import NotInvited, SlackFailed
from tenants.workspace.models import AuditEntry, Project, Seat

FRESH = timedelta(hours=24)
NOBODY = "Somebody in Slack"


def seat_for(install: SlackInstall, slack_id: str) -> Seat:
    """The seat that a person in the install's workspace answers with; made on their first reply, if the install
    lets anyone in the channel answer. Raises NotInvited, NotAllowed, and SlackFailed when Slack cannot be asked."""
    person = _person(install, slack_id)
    if person is None:
        raise NotInvited("Slack does not say who you are, so your words stay in Slack.")
    seat = _seat_with_account(person.email)
    if seat is None:
        seat = _own_seat(install, person)
    if not seat.is_active:
        raise NotAllowed("Your seat is switched off, so your words stay in Slack.")
    return seat


def names_of(install: SlackInstall) -> dict[str, str]:
    """Slack id -> name, of those who were heard of before."""
    return dict(SlackPerson.objects.filter(team_id=install.team_id).values_list("slack_id", "name"))


def _person(install: SlackInstall, slack_id: str) -> SlackPerson | None:
    known = SlackPerson.objects.filter(team_id=install.team_id, slack_id=slack_id).first()
    if known is not None and known.checked_at > timezone.now() - FRESH:
        return known
    try:
        member = Slack(install.bot_token).member(slack_id, install.team_id)
    except SlackFailed as error:
        if error.retryable or error.is_broken:
            raise
        return None
    if member is None:
        return None
    said = {
        "name": member.name[:120] or NOBODY,
        "email": member.email[:254],
        "is_colleague": not member.is_guest and not member.is_outside,
        "checked_at": timezone.now(),
    }
    return SlackPerson.objects.update_or_create(team_id=install.team_id, slack_id=slack_id, defaults=said)[0]


def _seat_with_account(email: str) -> Seat | None:
    """The seat of somebody who signs in under this address. Outsiders' addresses are never kept."""
    if not email:
        return None
    seats = Seat.objects.filter(email__iexact=email, user_id__isnull=False, is_rehearsal=False)
    return seats.order_by(F("is_active").desc(), "pk").first()


def _own_seat(install: SlackInstall, person: SlackPerson) -> Seat:
    """The seat of a colleague without an account. It reaches the projects in whose channels they are."""
    if not (install.anyone_may_answer and person.is_colleague):
        raise NotInvited
    with transaction.atomic():
        person = SlackPerson.objects.select_for_update().get(pk=person.pk)
        seat = Seat.objects.filter(pk=person.seat_id, user_id__isnull=True).first() if person.seat_id else None
        if seat is None:
            seat = Seat.objects.create(name=person.name, email=person.email, role=Seat.Role.AGENT)
            person.seat = seat
            person.save(update_fields=["seat"])
            _note(seat, install)
        project: Project = install.project
        if not seat.projects.filter(pk=project.pk).exists():
            seat.projects.add(project)
    return seat


def _note(seat: Seat, install: SlackInstall) -> None:
    data = {"text": f"Answered from Slack, {install}"}
    AuditEntry.objects.create(seat=seat, actor=seat.name, verb="joined from Slack", subject=seat.name, data=data)
