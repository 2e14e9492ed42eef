"""Plans: a trial without a card, limits that fire and free, an end that silences nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import actions as chat
from chat.models import Conversation, Episode, Handoff, Message, Turn, Visitor
from livesupport.models import Availability
from tenants import actions, billing, plan_letter
from tenants.billing import Kind, Month, month_around
from tenants.errors import LimitReached, PlanMoveRefused
from tenants.models import Due, Plan, Tenant
from tenants.schema import run_in
from tenants.workspace import outbox
from tenants.workspace.models import AuditEntry, OutboxEntry, Project, Seat
from tenants.workspace.team import room
from tests.cast import Cast
from tests.conftest import Tenants

State = Tenant.Subscription
SOON = timedelta(days=2)


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.fixture
def cast(tenants: Tenants) -> Cast:
    """A tenant on the professional plan, paid since ten days ago."""
    a = tenants.a
    a.run(_clear)
    began = timezone.now() - timedelta(days=10)
    plan = Plan.objects.get(key="professional")
    Tenant.objects.filter(pk=a.tenant_id).update(plan=plan, subscription=State.ACTIVE, billed_from=began)
    return a


def _clear() -> None:
    OutboxEntry.objects.all().delete()
    Conversation.objects.all().delete()
    Visitor.objects.all().delete()


def limits(**values: int | None) -> None:
    Plan.objects.filter(key="professional").update(**values)


def move(cast: Cast, **values: Any) -> None:
    Tenant.objects.filter(pk=cast.tenant_id).update(**values)


def writes(cast: Cast, text: str = "How long is the lead?", *, is_test: bool = False) -> Conversation:
    """A new visitor writes."""

    def post() -> Conversation:
        word = chat.rehearsal_pass(cast.schema) if is_test else None
        opened = chat.open_session(project="shop", token=None, language="en", rehearsal=word)
        return _says(opened.conversation_id, text)

    return cast.run(post)


def _says(conversation_id: object, text: str) -> Conversation:
    chat.post_as_visitor(conversation_id=str(conversation_id), draft=chat.Draft(text, uuid4()))
    return Conversation.objects.get(pk=conversation_id)


def letters(cast: Cast) -> list[str]:
    return cast.run(lambda: list(OutboxEntry.objects.order_by("pk").values_list("payload__about", flat=True)))


def turns(cast: Cast) -> int:
    return cast.run(Turn.objects.count)


def last_words(cast: Cast, conversation: Conversation) -> Message:
    return cast.run(lambda: Message.objects.filter(conversation=conversation).order_by("-seq")[0])


# -- the month -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("anchor", "now", "month"),
    [
        (at(2026, 1, 15), at(2026, 1, 15), Month(at(2026, 1, 15), at(2026, 2, 15))),
        (at(2026, 1, 15, 9), at(2026, 3, 15, 8), Month(at(2026, 2, 15, 9), at(2026, 3, 15, 9))),
        (at(2026, 1, 31), at(2026, 2, 28), Month(at(2026, 2, 28), at(2026, 3, 31))),
        (at(2028, 1, 31), at(2028, 2, 28), Month(at(2028, 1, 31), at(2028, 2, 29))),
        (at(2026, 11, 30), at(2027, 1, 5), Month(at(2026, 12, 30), at(2027, 1, 30))),
        (at(2026, 12, 6), at(2026, 11, 22), Month(at(2026, 11, 6), at(2026, 12, 6))),
    ],
)
def test_a_month_begins_on_the_plans_own_day(anchor: datetime, now: datetime, month: Month) -> None:
    assert month_around(anchor, now) == month


# -- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "ends_in", "standing"),
    [
        (State.TRIAL, 1, State.TRIAL),
        (State.TRIAL, -1, State.ENDED),
        (State.ACTIVE, None, State.ACTIVE),
        (State.CANCELLED, 1, State.CANCELLED),
        (State.CANCELLED, -1, State.ENDED),
        (State.ENDED, -1, State.ENDED),
    ],
)
def test_what_has_run_out_has_ended_noted_or_not(state: str, ends_in: int | None, standing: str) -> None:
    when = timezone.now() + timedelta(hours=ends_in) if ends_in else None
    tenant = Tenant(subscription=state, trial_ends_at=when, ends_at=when)
    assert tenant.standing() == standing


def test_a_trial_without_an_end_cannot_be_stored(cast: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        move(cast, subscription=State.TRIAL, trial_ends_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        move(cast, subscription=State.CANCELLED, cancelled_at=timezone.now(), ends_at=None)


def test_a_cancelled_plan_runs_to_its_months_end_and_can_be_kept(cast: Cast) -> None:
    month = billing.month_of(cast.tenant)
    cancelled = cast.run(actions.cancel_plan, by=cast.run(lambda: cast.owner.seat))
    assert (cancelled.subscription, cancelled.ends_at) == (State.CANCELLED, month.end)
    assert not cast.tenant.has_ended
    assert writes(cast).owner == Conversation.Owner.AI
    assert turns(cast) == 1
    assert Due.objects.get(schema=cast.schema, kind="plan").at == month.end
    kept = cast.run(actions.keep_plan, by=cast.run(lambda: cast.owner.seat))
    assert (kept.subscription, kept.ends_at, kept.cancelled_at) == (State.ACTIVE, None, None)
    verbs = cast.run(lambda: list(AuditEntry.objects.filter(verb__startswith="plan.").values_list("verb", "actor")))
    assert sorted(verbs) == [("plan.cancelled", cast.owner.name), ("plan.kept", cast.owner.name)]


def test_a_cancelled_trial_runs_to_the_trials_end_and_is_a_trial_again(cast: Cast) -> None:
    ends = timezone.now() + timedelta(days=9)
    move(cast, subscription=State.TRIAL, trial_ends_at=ends, billed_from=None)
    owner = cast.run(lambda: cast.owner.seat)
    assert cast.run(actions.cancel_plan, by=owner).ends_at == ends
    assert cast.run(actions.keep_plan, by=owner).subscription == State.TRIAL


@pytest.mark.parametrize("role", ["admin", "agent", "analyst"])
def test_only_an_owner_decides_about_the_plan(cast: Cast, role: str) -> None:
    seat = cast.run(lambda: getattr(cast, role).seat)
    with pytest.raises(PlanMoveRefused):
        cast.run(actions.cancel_plan, by=seat)
    assert cast.tenant.subscription == State.ACTIVE
    cast.run(actions.cancel_plan, by=cast.run(lambda: cast.owner.seat))
    with pytest.raises(PlanMoveRefused):
        cast.run(actions.keep_plan, by=seat)
    assert cast.tenant.subscription == State.CANCELLED


def test_what_has_ended_is_neither_cancelled_nor_kept(cast: Cast) -> None:
    owner = cast.run(lambda: cast.owner.seat)
    for state in (State.TRIAL, State.CANCELLED, State.ENDED):
        past = timezone.now() - timedelta(hours=1)
        move(cast, subscription=state, trial_ends_at=past, cancelled_at=past, ends_at=past)
        for action in (actions.cancel_plan, actions.keep_plan):
            with pytest.raises(PlanMoveRefused):
                cast.run(action, by=owner)
        assert cast.tenant.subscription == state


def test_a_plan_that_costs_nothing_has_nothing_to_cancel(cast: Cast) -> None:
    move(cast, plan=Plan.objects.get(key="unlimited"))
    with pytest.raises(PlanMoveRefused, match="costs nothing"):
        cast.run(actions.cancel_plan, by=cast.run(lambda: cast.owner.seat))
    assert cast.tenant.subscription == State.ACTIVE


def test_starting_a_plan_in_the_trial_keeps_the_rest_of_it(cast: Cast) -> None:
    ends = timezone.now() + timedelta(days=9)
    move(cast, subscription=State.TRIAL, trial_ends_at=ends, billed_from=None)
    tenant = cast.run(actions.activate_plan, plan_key="professional")
    assert (tenant.subscription, tenant.billed_from) == (State.ACTIVE, ends)
    assert billing.month_of(tenant).end == ends


def test_starting_a_plan_after_its_end_begins_a_month_today(cast: Cast) -> None:
    past = timezone.now() - timedelta(days=3)
    move(cast, subscription=State.ENDED, ends_at=past, cancelled_at=past)
    tenant = cast.run(actions.activate_plan, plan_key="professional")
    assert tenant.subscription == State.ACTIVE
    assert tenant.ends_at is None
    assert timezone.now() - tenant.billed_from < timedelta(minutes=1)


@pytest.mark.parametrize("written", [True, False])
def test_a_trial_that_has_ended_runs_again_when_it_is_extended(cast: Cast, written: bool) -> None:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() - timedelta(days=1), billed_from=None)
    if written:
        cast.run(actions.watch_plan)
        assert cast.tenant.subscription == State.ENDED
    until = timezone.now() + timedelta(days=7)
    cast.run(actions.extend_trial, until=until)
    tenant = cast.tenant
    assert (tenant.standing(), tenant.trial_ends_at, tenant.ends_at, tenant.in_trial) == ("trial", until, None, True)
    assert Due.objects.get(schema=cast.schema, kind="plan").at <= until - timedelta(days=billing.WARN_DAYS)
    assert cast.run(AuditEntry.objects.get, verb="plan.trial_extended").subject == f"{until:%Y-%m-%d}"
    # Its new end is noted and told anew.
    move(cast, trial_ends_at=timezone.now() + SOON)
    cast.run(actions.watch_plan)
    move(cast, trial_ends_at=timezone.now() - timedelta(minutes=1))
    cast.run(actions.watch_plan)
    assert letters(cast)[-2:] == ["trial_ending", "ended"]
    assert cast.tenant.subscription == State.ENDED


@pytest.mark.parametrize(
    "values",
    [
        {"subscription": State.ACTIVE, "trial_ends_at": None, "billed_from": None},
        {"subscription": State.ENDED, "trial_ends_at": timezone.now() - SOON},  # after a plan that was paid
        {"subscription": State.ENDED, "trial_ends_at": None, "billed_from": None},
        {"subscription": State.CANCELLED, "cancelled_at": timezone.now(), "billed_from": None},
    ],
)
def test_only_a_trial_is_extended(cast: Cast, values: dict[str, Any]) -> None:
    move(cast, **{"trial_ends_at": timezone.now() + SOON, "ends_at": timezone.now() + SOON, **values})
    before = cast.tenant.__dict__ | {"_state": None}
    with pytest.raises(PlanMoveRefused):
        cast.run(actions.extend_trial, until=timezone.now() + timedelta(days=7))
    assert cast.tenant.__dict__ | {"_state": None} == before


def test_a_trial_is_not_extended_into_the_past(cast: Cast) -> None:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + SOON, billed_from=None)
    with pytest.raises(PlanMoveRefused):
        cast.run(actions.extend_trial, until=timezone.now() - timedelta(seconds=1))
    assert cast.tenant.in_trial


# -- the watch -------------------------------------------------------------------------------------------------------


def test_the_watch_warns_before_a_trials_end_and_notes_the_end_once(cast: Cast) -> None:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + SOON, billed_from=None)
    for _ in range(2):
        cast.run(actions.watch_plan)
    assert letters(cast) == ["trial_ending"]
    assert Due.objects.get(schema=cast.schema, kind="plan").at == cast.tenant.trial_ends_at
    move(cast, trial_ends_at=timezone.now() - timedelta(minutes=1))
    for _ in range(2):
        cast.run(actions.watch_plan)
    assert letters(cast) == ["trial_ending", "ended"]
    assert cast.tenant.subscription == State.ENDED


def test_the_watch_leaves_a_running_plan_alone(cast: Cast) -> None:
    cast.run(actions.watch_plan)
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + timedelta(days=9))
    cast.run(actions.watch_plan)
    assert letters(cast) == []
    assert cast.tenant.subscription == State.TRIAL


def test_a_letter_says_how_things_are_when_it_leaves(cast: Cast) -> None:
    payload = {"letter": "plan", "about": "trial_ending", "seat": cast.owner.seat_id}
    assert cast.run(plan_letter.compose, payload) is None
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + SOON)
    letter = cast.run(plan_letter.compose, payload)
    assert letter.to == cast.owner.email
    assert billing.day(cast.tenant.trial_ends_at) in letter.subject
    assert f"http://{cast.http_host}/plan/" in letter.text
    assert cast.run(plan_letter.compose, payload | {"about": "ended"}) is None
    assert cast.run(plan_letter.compose, payload | {"about": "limit"}) is None
    assert cast.run(plan_letter.compose, payload | {"seat": cast.agent.seat_id}) is None


def test_the_letter_reaches_the_owner_alone(cast: Cast) -> None:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() - timedelta(minutes=1), billed_from=None)
    cast.run(actions.watch_plan)
    cast.run(outbox.deliver_due)
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [
        ([cast.owner.email], f"{cast.tenant.name}: the AI rests")
    ]
    assert "Nothing is deleted" in mail.outbox[0].body


# -- after the end ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(cast: Cast) -> Cast:
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() - timedelta(minutes=1), billed_from=None)
    return cast


def _agent_is_there(cast: Cast) -> None:
    fresh = {"state": "online", "seen_at": timezone.now()}
    cast.run(Availability.objects.filter(seat_id=cast.agent.seat_id).update, **fresh)


@pytest.mark.parametrize("is_test", [False, True])
def test_after_the_end_the_ai_rests_and_the_visitor_reads_so(ended: Cast, is_test: bool) -> None:
    _agent_is_there(ended)
    conversation = writes(ended, is_test=is_test)
    said = last_words(ended, conversation)
    assert turns(ended) == 0
    assert (said.event, said.data["ask_email"], said.data["promise"]["reachable"]) == ("standing", True, False)
    assert said.text.startswith("I can't answer questions here at the moment.")
    ended.run(_says, conversation.pk, "And now?")
    assert last_words(ended, conversation).text == said.text


def test_after_the_end_asking_for_a_person_promises_nobody(ended: Cast) -> None:
    _agent_is_there(ended)
    conversation = writes(ended, "I want to talk to a human")
    assert conversation.owner == Conversation.Owner.AI
    assert last_words(ended, conversation).event == "standing"


def test_after_the_end_an_address_still_becomes_a_lead(ended: Cast) -> None:
    conversation = writes(ended)
    ended.run(chat.leave_contact, conversation_id=conversation.pk, email="vera@lamp.example")
    page = ended.client(ended.agent).get("/live/queue/?tab=leads").content.decode()
    assert "vera@lamp.example" in page


def test_after_the_end_nothing_new_is_claimed_but_all_is_read(cast: Cast) -> None:
    _agent_is_there(cast)
    held, waiting = writes(cast, "Talk to a human please"), writes(cast, "Talk to a human please")
    client = cast.client(cast.agent)
    assert client.post(f"/live/c/{held.pk}/claim/").status_code < 300
    move(cast, subscription=State.ENDED, ends_at=timezone.now())
    refused = client.post(f"/live/c/{waiting.pk}/claim/", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (409, "plan_ended")
    assert cast.run(Conversation.objects.get, pk=waiting.pk).owner == Conversation.Owner.QUEUE
    assert client.get(f"/live/c/{waiting.pk}/").status_code == 200
    reply = {"conversation_id": held.pk, "seat_id": cast.agent.seat_id, "draft": chat.Draft("Coming", uuid4())}
    cast.run(chat.post_as_seat, **reply)
    assert last_words(cast, held).text == "Coming"


def test_a_plan_that_starts_again_wakes_the_ai(ended: Cast) -> None:
    conversation = writes(ended)
    ended.run(actions.activate_plan, plan_key="professional")
    ended.run(_says, conversation.pk, "Are you there?")
    assert turns(ended) == 1


def test_an_ended_plan_of_one_tenant_silences_no_other(ended: Cast, tenants: Tenants) -> None:
    before = tenants.b.run(Turn.objects.count)
    assert writes(tenants.b).owner == Conversation.Owner.AI
    assert tenants.b.run(Turn.objects.count) == before + 1


# -- conversations a month -------------------------------------------------------------------------------------------


def test_conversations_have_a_grace_of_a_tenth_and_then_go_to_people(cast: Cast) -> None:
    limits(conversations_per_month=10)
    for _ in range(9):
        writes(cast)
    assert letters(cast) == []
    first_ten = writes(cast)
    assert billing.allowance(cast.tenant, Kind.CONVERSATIONS).left == 0
    assert letters(cast) == ["limit"]
    assert writes(cast).owner == Conversation.Owner.AI
    assert turns(cast) == 11
    _agent_is_there(cast)
    beyond = writes(cast)
    handoff = cast.run(lambda: Handoff.objects.get(conversation=beyond))
    assert (turns(cast), beyond.owner, handoff.trigger) == (11, Conversation.Owner.QUEUE, Handoff.Trigger.FAILURE)
    assert "conversations are used up" in handoff.reason
    assert last_words(cast, beyond).event == "handed_over"
    writes(cast)
    assert letters(cast) == ["limit", "beyond_limit"]
    cast.run(_says, first_ten.pk, "One more thing")
    assert turns(cast) == 12


def test_beyond_the_grace_with_nobody_there_the_visitor_is_asked_for_an_address(cast: Cast) -> None:
    limits(conversations_per_month=1)
    writes(cast)
    said = last_words(cast, beyond := writes(cast))
    assert (said.event, said.data["ask_email"]) == ("standing", True)
    cast.run(_says, beyond.pk, "Hello?")
    assert last_words(cast, beyond).event == "standing"
    assert turns(cast) == 1


def test_a_new_month_and_a_larger_plan_free_the_ai(cast: Cast) -> None:
    limits(conversations_per_month=1)
    writes(cast)
    writes(cast)
    assert turns(cast) == 1
    limits(conversations_per_month=50)
    writes(cast)
    assert turns(cast) == 2
    limits(conversations_per_month=1)
    month_ago = timezone.now() - timedelta(days=32)
    cast.run(Episode.objects.update, started_at=month_ago)
    writes(cast)
    assert turns(cast) == 3
    limits(conversations_per_month=None)
    for _ in range(3):
        writes(cast)
    assert turns(cast) == 6


def test_tests_and_silent_visitors_are_no_conversations(cast: Cast) -> None:
    limits(conversations_per_month=1)
    for _ in range(3):
        writes(cast, is_test=True)
    cast.run(chat.open_session, project="shop", token=None)
    assert billing.allowance(cast.tenant, Kind.CONVERSATIONS).used == 0
    writes(cast)
    assert billing.allowance(cast.tenant, Kind.CONVERSATIONS).used == 1
    writes(cast)
    assert turns(cast) == 4
    assert writes(cast, is_test=True).owner == Conversation.Owner.AI
    assert turns(cast) == 5


# -- projects, seats, sentences --------------------------------------------------------------------------------------


def _require(kind: Kind) -> None:
    with transaction.atomic():
        billing.require_room(kind)


def test_chatbots_fill_the_plan_and_a_larger_one_makes_room(cast: Cast) -> None:
    limits(projects=2)
    cast.run(_require, Kind.PROJECTS)
    cast.run(Project.objects.create, key="second", name="Second")
    with pytest.raises(LimitReached, match="Every chatbot of the plan is in use, 2 of 2"):
        cast.run(_require, Kind.PROJECTS)
    limits(projects=3)
    cast.run(_require, Kind.PROJECTS)


def test_seats_count_people_who_may_sign_in(cast: Cast) -> None:
    limits(seats=4)
    assert billing.allowance(cast.tenant, Kind.SEATS).is_used_up
    cast.run(Seat.objects.create, user_id=0, name="Rehearsal", is_rehearsal=True)
    assert billing.allowance(cast.tenant, Kind.SEATS).used == 4
    cast.run(Seat.objects.filter(pk=cast.analyst.seat_id).update, is_active=False)
    assert billing.allowance(cast.tenant, Kind.SEATS).left == 1


def test_the_teams_room_counts_as_the_plan_does(cast: Cast) -> None:
    limits(seats=5)
    cast.run(Seat.objects.create, user_id=None, name="Answers from Slack")
    cast.run(Seat.objects.create, user_id=0, name="Rehearsal", is_rehearsal=True)
    now = cast.run(room)
    taken = billing.allowance(cast.tenant, Kind.SEATS)
    assert (now.seats, now.limit) == (taken.used, taken.limit) == (4, 5)
    assert (now.invited, now.is_full, now.has_free_seat) == (1, True, True)


def test_an_allowance_is_read_from_any_schema(cast: Cast, tenants: Tenants) -> None:
    writes(cast)
    used = {run_in(schema, billing.allowance, cast.tenant, Kind.CONVERSATIONS).used
            for schema in ("public", tenants.b.schema, cast.schema)}  # fmt: skip
    assert used == {1}


@pytest.mark.parametrize(
    ("used", "says"),
    [
        (0, "Counts anew on 3 December 2026. Tests do not count."),
        (99, "Counts anew"),
        (100, "The month's 100 conversations are used. 10 more are on us; then new ones go to your team."),
        (109, "One more is on us;"),
        (110, "Until 3 December 2026, new ones go to your team, or leave an e-mail address"),
    ],
)
def test_each_stretch_of_the_month_has_its_sentence(used: int, says: str) -> None:
    month = Month(at(2026, 11, 3), at(2026, 12, 3))
    assert says in billing.sentence_of(Kind.CONVERSATIONS, used=used, limit=100, month=month)


def test_the_worst_news_is_told_first(cast: Cast) -> None:
    def told() -> tuple[str, str] | None:
        notice = billing.notice_for(cast.tenant)
        return (notice.tone, notice.sentence.split(".")[0]) if notice else None

    assert told() is None
    limits(conversations_per_month=5)
    for _ in range(4):
        writes(cast)
    assert told() == ("info", "4 of the month's 5 conversations are used")
    move(cast, subscription=State.CANCELLED, cancelled_at=timezone.now(), ends_at=timezone.now() + SOON)
    assert told()[1].startswith("The plan is cancelled and runs until")
    move(cast, subscription=State.TRIAL, trial_ends_at=timezone.now() + SOON)
    assert told()[1].startswith("The trial ends on")
    writes(cast)
    assert told()[0] == "late"
    limits(conversations_per_month=50)
    move(cast, subscription=State.ENDED, billed_from=None, cancelled_at=None)
    assert told() == ("late", "The trial has ended")
