"""The two sockets. Each method: parse (done), one hop to one action, maybe a reply."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chat import actions, delivery, frames, limits
from chat.actions import sessions
from chat.draining import RESTART
from chat.errors import NotAllowed, NotSignedIn, UnknownConversation
from chat.sockets import LogSocket, rereader
from tenants import push
from tenants.access import seat_for_session_key
from tenants.asgi import comes_from_own_page, session_key
from tenants.schema import hop


class VisitorConsumer(LogSocket):
    """The widget's socket: one visitor, one conversation."""

    conversation = ""

    async def on_hello(self, frame: frames.VisitorHello) -> None:
        self.check_version(frame.v)
        page = actions.PageView(frame.page.url, frame.page.title) if frame.page else None
        entered = await hop(self.schema, actions.enter, token=frame.token, page=page, language=frame.language)
        self.greeted, self.conversation = True, entered.conversation_id
        project = {"key": entered.project_key, "name": entered.project_name}
        await self.tell({"type": "hello", "v": 1, "conversation": self.conversation, "project": project})
        await self.follow(self.conversation, frame.seq)
        await self.tell_desk("here")

    async def check_pace(self, frame: Any) -> None:
        """What is stored or answered costs a hop to count; what passes does not."""
        if hasattr(frame, "client_id"):
            await hop(self.schema, limits.check_text, self.conversation, limits.address_of(self.place))
        elif self.greeted:
            limits.check_passing(f"{self.schema}:{self.conversation}")

    async def news(self, conversation: str, after: int, with_state: bool) -> list[dict[str, Any]]:
        return await hop(self.schema, delivery.visitor_news, conversation, after, with_state)

    async def on_message_send(self, frame: frames.MessageSend) -> None:
        draft = actions.Draft(frame.text, frame.client_id)
        ack = await hop(self.schema, actions.post_as_visitor, conversation_id=self.conversation, draft=draft)
        await self.acknowledge(frame.client_id, ack)

    async def on_human_request(self, frame: frames.HumanRequest) -> None:
        given: dict[str, Any] = {"conversation_id": self.conversation, "client_id": frame.client_id}
        await self.acknowledge(frame.client_id, await hop(self.schema, actions.request_human, **given))

    async def on_lead_submit(self, frame: frames.LeadSubmit) -> None:
        given: dict[str, Any] = {"email": frame.email, "name": frame.name, "client_id": frame.client_id}
        ack = await hop(self.schema, actions.leave_contact, conversation_id=self.conversation, **given)
        await self.acknowledge(frame.client_id, ack)

    async def on_rating_submit(self, frame: frames.RatingSubmit) -> None:
        given: dict[str, Any] = {"score": frame.score, "comment": frame.comment, "client_id": frame.client_id}
        ack = await hop(self.schema, actions.rate_episode, conversation_id=self.conversation, **given)
        await self.acknowledge(frame.client_id, ack)

    async def on_typing_set(self, frame: frames.TypingSet) -> None:
        await self.show_typing(self.conversation, who="visitor", on=frame.on)

    async def on_seen_set(self, frame: frames.SeenSet) -> None:
        await hop(self.schema, actions.note_seen, conversation_id=self.conversation, seq=frame.seq, by_team=False)
        await self.tell_seen(self.conversation)

    async def on_page_view(self, frame: frames.PageView) -> None:
        page = actions.PageView(frame.url, frame.title)
        await hop(self.schema, actions.note_visitor, conversation_id=self.conversation, page=page, away=frame.away)
        await self.tell_desk("away" if frame.away else "here")

    async def on_resume(self, frame: frames.Resume) -> None:
        await hop(self.schema, actions.note_visitor, conversation_id=self.conversation)
        self.cursors[self.conversation] = frame.seq
        await self.catch_up(self.conversation, with_state=True)

    async def tell_desk(self, state: str) -> None:
        """Presence, for the dashboards of who may see the visitor: never stored in the log."""
        shown = {"type": "presence", "conversation": self.conversation, "state": state}
        message = {"type": "relay", "audience": "team", "frame": shown}
        await push.tell(push.desk_group(self.schema), message)

    async def disconnect(self, code: int) -> None:
        is_back_soon = code == RESTART
        if self.greeted and not is_back_soon and not rereader.has_other(self, self.conversation):
            await self.tell_desk("left")
        await super().disconnect(code)


class DeskConsumer(LogSocket):
    """An agent's socket: the desk's news, and the conversations that are open on the screen."""

    is_desk = True
    seat_id = 0

    async def on_hello(self, frame: frames.DeskHello) -> None:
        self.check_version(frame.v)
        self.seat_id = await self._admit()
        self.seat = await hop(self.schema, delivery.seat_card, self.seat_id)
        self.greeted = True
        await push.join(self, push.desk_group(self.schema))
        rereader.add(self)
        await hop(self.schema, actions.note_seat, seat_id=self.seat_id)
        await self.tell({"type": "hello", "v": 1, "seat": self.seat})

    async def _admit(self) -> int:
        """The seat behind the host's own session cookie, sent from the host's own page."""
        if not comes_from_own_page(self.place):
            raise NotAllowed
        key, tenant_id = session_key(self.place), self.place["tenant_id"]
        seat_id = await hop(self.schema, seat_for_session_key, key, tenant_id)
        if seat_id is None:
            raise NotSignedIn
        return seat_id

    async def news(self, conversation: str, after: int, with_state: bool) -> list[dict[str, Any]]:
        return await hop(self.schema, delivery.team_news, self.seat_id, conversation, after, with_state)

    async def desk_news(self, message: dict[str, Any]) -> None:
        """Something changed in a conversation: its state, if this seat may see it."""
        try:
            state, mark = await hop(self.schema, delivery.desk_state, self.seat_id, message["conversation"])
        except (UnknownConversation, NotAllowed):
            return
        self.told[message["conversation"]] = mark
        await self.tell(state)

    async def relay(self, message: dict[str, Any]) -> None:
        """Presence comes for all of the tenant: this seat is told of those whom it may see."""
        frame = message["frame"]
        if frame["type"] == "presence":
            frame = await hop(self.schema, delivery.presence, self.seat_id, frame)
        if frame is not None:
            await super().relay({**message, "frame": frame})

    async def check_signed_in(self) -> None:
        """A socket does not outlive its session: who signed out, or lost the seat, writes and reads no more."""
        if await self._admit() != self.seat_id:
            raise NotSignedIn

    async def on_message_send(self, frame: frames.DeskMessageSend) -> None:
        await self.check_signed_in()
        draft = actions.Draft(frame.text, frame.client_id, frame.note)
        given: dict[str, Any] = {"conversation_id": frame.conversation, "seat_id": self.seat_id, "draft": draft}
        ack = await hop(self.schema, actions.post_as_seat, **given)
        await self.acknowledge(frame.client_id, ack, conversation=str(frame.conversation))

    async def on_typing_set(self, frame: frames.DeskTypingSet) -> None:
        self.check_followed(frame.conversation)
        await hop(self.schema, sessions.check_speaks, seat_id=self.seat_id, conversation_id=frame.conversation)
        await self.show_typing(str(frame.conversation), who="agent", name=self.seat["name"], on=frame.on)

    async def on_seen_set(self, frame: frames.DeskSeenSet) -> None:
        self.check_followed(frame.conversation)
        given: dict[str, Any] = {"seat_id": self.seat_id, "conversation_id": frame.conversation, "seq": frame.seq}
        await hop(self.schema, sessions.note_seen_by_seat, **given)
        await self.tell_seen(str(frame.conversation))

    async def on_resume(self, frame: frames.DeskResume) -> None:
        await self.check_signed_in()
        await hop(self.schema, actions.note_seat, seat_id=self.seat_id)
        if frame.conversation is None:
            await self.tell({"type": "beat"})
            return
        conversation = str(frame.conversation)
        await hop(self.schema, delivery.desk_state, self.seat_id, conversation)  # refuses what is not theirs
        await self.follow(conversation, frame.seq)

    def check_followed(self, conversation: UUID) -> None:
        """What a desk does not follow it may not speak about; following was allowed or refused before."""
        if str(conversation) not in self.cursors:
            raise UnknownConversation

    async def on_leave(self, frame: frames.DeskLeave) -> None:
        await self.unfollow(str(frame.conversation))
