"""Ten mechanisms, each broken on its own by patching the test build. `make faults-mutants` must catch all ten.

Every patch names what it replaces, so that it fails loudly once the product moves.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any


def replace(function: Callable[..., Any], name: str, *modules: str) -> None:
    """Put `function` in the place of `name` wherever it is known by that name."""
    for module in modules:
        __import__(module)
        if not hasattr(sys.modules[module], name):
            raise AttributeError(f"{module}.{name}: this mutant has to follow the product")
        setattr(sys.modules[module], name, function)


def no_unique_index() -> None:
    """The database forgets that a client id is unique: the stack drops the index before the programs start."""


def ack_before_commit() -> None:
    """The receipt goes out first, the message is stored afterwards."""
    from chat import actions
    from chat.consumers import VisitorConsumer
    from tenants.schema import hop

    async def on_message_send(self: Any, frame: Any) -> None:
        await self.tell({"type": "ack", "client_id": str(frame.client_id), "seq": 0, "at": ""})
        await asyncio.sleep(0.05)
        draft = actions.Draft(frame.text, frame.client_id)
        await hop(self.schema, actions.post_as_visitor, conversation_id=self.conversation, draft=draft)

    _method(VisitorConsumer, "on_message_send", on_message_send)


def id_cursor() -> None:
    """A socket remembers the newest row id that it sent, whatever the conversation, instead of a seq in each."""
    from chat.sockets import LogSocket
    from tenants.schema import hop

    async def catch_up(self: Any, conversation: str, *, with_state: bool = False) -> None:
        async with self._sending:
            if conversation not in self.cursors:
                return
            first = conversation not in self.__dict__.setdefault("known", set())
            self.known.add(conversation)
            newest = 0 if first else self.__dict__.get("newest", 0)
            frames = await self.news(conversation, self.cursors[conversation], with_state)
            ids = await hop(self.schema, _ids, conversation)
            for frame in frames:
                if frame["type"] != "message":
                    await self.tell(frame)
                elif ids.get(frame["seq"], 0) > newest:
                    await self.tell(frame)
                    self.cursors[conversation] = frame["seq"]
                    self.newest = max(self.__dict__.get("newest", 0), ids[frame["seq"]])

    _method(LogSocket, "catch_up", catch_up)


def _ids(conversation: str) -> dict[int, int]:
    from chat.models import Message

    return dict(Message.objects.filter(conversation=conversation).values_list("seq", "pk"))


def no_reread() -> None:
    """Nobody looks again: a nudge that is lost stays lost until the client asks."""
    from chat.sockets import Rereader

    async def nothing(self: Any, schema: str, sockets: Any) -> None:
        return None

    _method(Rereader, "_reread", nothing)


def no_epoch_check() -> None:
    """The AI's words are stored and streamed whoever has the conversation by now."""
    from chat.actions import turns
    from chat.models import Turn

    def locked(hold: Any) -> Turn:
        turn = Turn.objects.select_related("message__episode").get(pk=hold.turn_id)
        turn.conversation = turns.lock(turn.conversation_id)
        return turn

    replace(lambda **given: turns.Word.GO, "keep_turn", "chat.actions", "chat.actions.turns")
    replace(locked, "_locked_turn", "chat.actions.turns")


def no_dedupe() -> None:
    """A message that is sent again is taken for a new one."""
    replace(lambda *given: None, "repeat_of", "chat.actions.messages")


def no_lease() -> None:
    """A worker's hold on a turn ends the moment it begins."""
    replace(timedelta(0), "LEASE", "chat.actions.turns")  # type: ignore[arg-type]


def claim_by_read_then_write() -> None:
    """Who holds the conversation is read first, and written later without looking again."""
    from chat.actions import ownership
    from chat.models import Conversation

    claim = ownership.claim_conversation

    def read_then_write(*, conversation_id: Any, seat: Any, via: str = "dashboard") -> Any:
        seen = Conversation.objects.get(pk=conversation_id)
        if seen.owner in (Conversation.Owner.AGENT, Conversation.Owner.NONE):
            return claim(conversation_id=conversation_id, seat=seat, via=via)
        time.sleep(0.05)
        with ownership.transaction.atomic():
            held = ownership.lock(conversation_id)
            ownership._move(held, Conversation.Owner.AGENT, seat)
            data = {"name": seat.name, "initials": seat.initials, "via": via}
            entry = ownership.Entry(kind=ownership.EVENT, event="joined", data=data)
            return ownership.append(held, ownership.Author.of_seat(seat), entry)

    replace(read_then_write, "claim_conversation", "chat.actions.ownership", "chat.actions", "livesupport.actions")


def listener_before_commit() -> None:
    """Nudges go out inside the transaction, before anybody could read what they tell of."""
    from tenants import events

    at_once = SimpleNamespace(on_commit=lambda nudge: nudge())
    replace(at_once, "transaction", events.__name__)  # type: ignore[arg-type]


def outbox_without_idempotency() -> None:
    """Whatever became of the last attempt, the next one posts again."""
    replace(lambda entry, slack, message: slack.post(message), "_post_once", "livesupport.slack.delivery")


def _method(owner: type, name: str, function: Callable[..., Any]) -> None:
    if name not in vars(owner):
        raise AttributeError(f"{owner.__name__}.{name}: this mutant has to follow the product")
    setattr(owner, name, function)


MUTANTS: dict[str, Callable[[], None]] = {
    "no unique index": no_unique_index,
    "ack before commit": ack_before_commit,
    "id cursor instead of seq": id_cursor,
    "no re-read": no_reread,
    "no epoch check": no_epoch_check,
    "no dedupe": no_dedupe,
    "no lease": no_lease,
    "claim by read-then-write": claim_by_read_then_write,
    "listener before commit": listener_before_commit,
    "outbox without idempotency": outbox_without_idempotency,
}

# Where each must show: noise elsewhere does not count as catching it.
CAUGHT_BY: dict[str, frozenset[str]] = {
    "no unique index": frozenset({"I1"}),
    "ack before commit": frozenset({"I1"}),
    "id cursor instead of seq": frozenset({"I5"}),
    "no re-read": frozenset({"I10"}),
    "no epoch check": frozenset({"I7"}),
    "no dedupe": frozenset({"I1", "I5"}),
    "no lease": frozenset({"I6"}),
    "claim by read-then-write": frozenset({"I6"}),
    "listener before commit": frozenset({"I10"}),
    "outbox without idempotency": frozenset({"I8"}),
}
