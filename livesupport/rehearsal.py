"""The test escalation, as a program: a visitor and an agent against the running server, over real sockets.

The conversation is marked as a test: it never rings or mails, uses no quota and enters no report. The agent is
a rehearsal seat that lives ten minutes and can see and claim test conversations only.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from chat.actions import rehearsal_pass
from knowledge.models import Document
from knowledge.search import search
from livesupport.errors import RehearsalFailed
from livesupport.models import Availability
from livesupport.slack import rehearsal as slack
from tenants.access import open_session
from tenants.models import Membership, Tenant, User
from tenants.schema import current_schema, hop
from tenants.workspace.models import Project, Seat

SEAT_SECONDS = 600
STEP_SECONDS = 30.0
TARGETS_MS = {"answer_started": 20_000, "in_queue": 2_000, "claimed_seen": 1_000, "reply_seen": 1_000}
REPLY = "Hello, this is a rehearsal. I can read everything above."
REQUESTS = {
    "ar": "أريد التحدث مع شخص", "cs": "chci mluvit s člověkem", "da": "jeg vil tale med et menneske",
    "de": "Ich möchte mit einem Menschen sprechen", "el": "θέλω να μιλήσω με έναν άνθρωπο",
    "en": "I want to talk to a human", "es": "quiero hablar con una persona", "fi": "haluan puhua ihmisen kanssa",
    "fr": "je veux parler à une personne", "he": "אני רוצה לדבר עם נציג", "hi": "मुझे किसी इंसान से बात करनी है",
    "hu": "egy emberrel szeretnék beszélni", "id": "saya mau bicara dengan manusia",
    "it": "vorrei parlare con una persona", "ja": "人と話したいです", "ko": "사람과 이야기하고 싶어요",
    "nb": "jeg vil snakke med et menneske", "nl": "ik wil met een medewerker spreken",
    "pl": "chcę rozmawiać z człowiekiem", "pt": "quero falar com uma pessoa", "ro": "vreau să vorbesc cu un om",
    "ru": "хочу поговорить с человеком", "sv": "jag vill prata med en människa", "th": "ขอคุยกับเจ้าหน้าที่",
    "tr": "bir insanla konuşmak istiyorum", "uk": "хочу поговорити з людиною",
    "vi": "tôi muốn nói chuyện với nhân viên", "zh": "我要找真人客服",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One hop: whether it happened, and the milliseconds from one party's send to the other's socket."""

    name: str
    ok: bool
    ms: int | None
    target_ms: int | None
    problem: str = ""


@dataclass(frozen=True)
class Stage:
    """Where to rehearse. `connect_to` is host:port of the server; `host` is the tenant's name as Host header."""

    tenant: Tenant
    project: Project
    host: str
    connect_to: str
    secure: bool
    language: str
    via: str = "dashboard"


def stage_at(tenant: Tenant, project: Project, *, host: str, language: str) -> Stage:
    """The stage at one of a tenant's host names. `*.localhost` is known to browsers alone, so there the server is
    called by its address."""
    port = "" if settings.PORT in (80, 443) else f":{settings.PORT}"
    connect_to = f"127.0.0.1:{settings.PORT}" if settings.BASE_DOMAIN == "localhost" else host + port
    return Stage(tenant, project, host + port, connect_to, settings.SITE_SCHEME == "https", language)


@dataclass(frozen=True)
class Cast:
    """What the two players hold: the agent's session, the visitor's pass, and a question the content answers."""

    session_key: str
    word: str
    question: str


def prepare(project_id: int, tenant_id: int) -> Cast:
    """Seat the rehearsal agent and find a question. Raises RehearsalFailed when the content answers nothing."""
    question = _question(project_id)
    with transaction.atomic():
        tenant = Tenant.objects.get(pk=tenant_id)
        user, _ = User.objects.get_or_create(
            email=f"rehearsal@{tenant.schema_name.replace('_', '-')}.invalid", defaults={"name": "Rehearsal"}
        )
        if user.has_usable_password():
            user.set_unusable_password()
            user.save(update_fields=["password"])
        Membership.objects.get_or_create(user=user, tenant=tenant)
        ends = timezone.now() + timedelta(seconds=SEAT_SECONDS)
        fixed = {"name": "Rehearsal", "role": Seat.Role.AGENT, "is_rehearsal": True, "is_active": True}
        Seat.objects.update_or_create(user_id=user.pk, defaults={**fixed, "expires_at": ends})
    key = open_session(user=user, tenant=tenant, seconds=SEAT_SECONDS)
    return Cast(key, rehearsal_pass(current_schema()), question)


def _question(project_id: int) -> str:
    """The title of a live page that a search for it finds with good evidence."""
    needed = Project.objects.get(pk=project_id).evidence_threshold
    titles = Document.objects.filter(project_id=project_id, is_live=True, words__gte=60).order_by("pk")
    for title in titles.values_list("title", flat=True)[:25]:
        if title and search(project_id, title).confidence >= needed:
            return str(title)
    raise RehearsalFailed("No page of this project is indexed, or none answers its own title. Add content first.")


def dismiss() -> None:
    """The rehearsal seat is over: nobody is promised by it any more."""
    Availability.objects.filter(seat__is_rehearsal=True).delete()
    Seat.objects.filter(is_rehearsal=True).update(expires_at=timezone.now(), is_active=False)


class Party:
    """One end of a socket: sends frames, and waits for the first frame that fits."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, **frame: Any) -> None:
        """Send a command."""
        await self._socket.send(json.dumps(frame))

    async def hear(
        self, fits: Callable[[dict[str, Any]], bool], what: str, *, seconds: float = STEP_SECONDS
    ) -> dict[str, Any]:
        """The first frame that fits. Raises RehearsalFailed on an error frame or when its time is over."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    frame: dict[str, Any] = json.loads(await self._socket.recv())
                    if frame["type"] == "error":
                        raise RehearsalFailed(f"{what}: {frame['code']}: {frame['sentence']}")
                    if fits(frame):
                        return frame
        except TimeoutError:
            raise RehearsalFailed(f"{what}: nothing came within {seconds:.0f} s.") from None


class Hand(Protocol):
    """How the agent acts. `by_people`: somebody real does, so that the time it takes says nothing."""

    by_people: bool
    patience_seconds: float

    async def see(self) -> None: ...
    async def claim(self) -> None: ...
    async def reply(self) -> None: ...
    async def resolve(self) -> None: ...
    def is_reply(self, frame: dict[str, Any]) -> bool: ...


@dataclass
class AtDashboard:
    """The rehearsal seat at Live Support, over its socket and posts."""

    http: httpx.AsyncClient
    agent: Party
    conversation: str
    by_people: bool = False
    patience_seconds: float = STEP_SECONDS

    async def see(self) -> None:
        """The queue is what was heard already."""

    async def claim(self) -> None:
        await _post(self.http, f"/live/c/{self.conversation}/claim/")

    async def reply(self) -> None:
        await _write(self.agent, REPLY, conversation=self.conversation)

    async def resolve(self) -> None:
        await _post(self.http, f"/live/c/{self.conversation}/resolve/")

    def is_reply(self, frame: dict[str, Any]) -> bool:
        return bool(frame["type"] == "message" and frame["sender"] == "agent" and frame["kind"] == "text")


class Rehearsal:
    """One run; `steps` fills as it goes, `tell` hears each as it happens, and `ask` what people shall do."""

    def __init__(
        self, stage: Stage, tell: Callable[[Step], None], ask: Callable[[str], None] = lambda words: None
    ) -> None:
        self._ask = ask
        self.stage = stage
        self.steps: list[Step] = []
        self._tell = tell

    async def run(self) -> bool:
        """Play all hops in order; False as soon as one does not happen."""
        tenant, project = self.stage.tenant, self.stage.project
        schema = str(tenant.schema_name)
        try:
            began = time.monotonic()
            if self.stage.via == "slack":
                await hop(schema, slack.begin, project.pk)
            cast = await hop(schema, prepare, project.pk, tenant.pk)
            self._note("content_ready", began)
            await self._play(cast)
        except (RehearsalFailed, OSError, httpx.HTTPError, WebSocketException) as error:
            missing = STEP_NAMES[len(self.steps)]
            problem = error.sentence if isinstance(error, RehearsalFailed) else f"The server did not answer: {error}"
            self._add(Step(missing, False, None, TARGETS_MS.get(missing), problem))
        finally:
            await hop(schema, slack.end, project.pk)
            await hop(schema, dismiss)
        return len(self.steps) == len(STEP_NAMES) and all(step.ok for step in self.steps)

    def _note(self, name: str, began: float, *, timed: bool = True) -> None:
        took = round((time.monotonic() - began) * 1000)
        self._add(Step(name, True, took if timed else None, TARGETS_MS.get(name)))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self._tell(step)

    async def _play(self, cast: Cast) -> None:
        web = "https" if self.stage.secure else "http"
        headers = {"Host": self.stage.host, "Origin": f"{web}://{self.stage.host}"}
        async with httpx.AsyncClient(base_url=f"{web}://{self.stage.connect_to}", headers=headers, timeout=15) as http:
            body = {"project": self.stage.project.key, "language": self.stage.language, "rehearsal": cast.word}
            opened = (await http.post("/widget/session", json={**body, "token": None})).raise_for_status().json()
            csrf = secrets.token_hex(16)
            http.cookies.update({"sessionid": cast.session_key, "csrftoken": csrf})
            http.headers["X-CSRFToken"] = csrf
            cookie = {"Cookie": f"sessionid={cast.session_key}"}
            async with self._socket("/ws/desk/", cookie) as desk, self._socket("/ws/visitor/", {}) as widget:
                await self._converse(http, opened, cast.question, visitor=Party(widget), agent=Party(desk))

    def _socket(self, path: str, extra: dict[str, str]) -> connect:
        scheme = "wss" if self.stage.secure else "ws"
        origin = f"{'https' if self.stage.secure else 'http'}://{self.stage.host}"
        host, _, port = self.stage.connect_to.partition(":")
        return connect(
            f"{scheme}://{self.stage.host}{path}",
            host=host,
            port=int(port or (443 if self.stage.secure else 80)),
            origin=Origin(origin),
            additional_headers=extra,
            proxy=None,
        )

    async def _converse(
        self, http: httpx.AsyncClient, opened: dict[str, str], question: str, *, visitor: Party, agent: Party
    ) -> None:
        conversation = opened["conversation"]
        await agent.say(type="hello", v=1)
        await agent.hear(lambda frame: frame["type"] == "hello", "The agent's hello")
        await visitor.say(type="hello", v=1, token=opened["token"], language=self.stage.language)
        await visitor.hear(lambda frame: frame["type"] == "state", "The visitor's hello")

        await self._hop("answer_started", _is_answer, lambda: _write(visitor, question), at=visitor)
        await visitor.hear(_is_whole_answer, "The whole answer")
        hand = self._hand(http, agent, conversation)
        wanted = REQUESTS.get(self.stage.language, REQUESTS["en"])
        began = time.monotonic()
        await _write(visitor, wanted)
        await agent.hear(_is_queued(conversation), "in_queue")
        await hand.see()
        self._note("in_queue", began)
        await self._hop("claimed_seen", _is_event("joined"), hand.claim, at=visitor, hand=hand)
        await self._hop("reply_seen", hand.is_reply, hand.reply, at=visitor, hand=hand)
        await self._hop("resolved", _is_event("resolved"), hand.resolve, at=visitor, hand=hand)

    def _hand(self, http: httpx.AsyncClient, agent: Party, conversation: str) -> Hand:
        if self.stage.via == "slack":
            return slack.InSlack(str(self.stage.tenant.schema_name), conversation, self._ask)
        return AtDashboard(http, agent, conversation)

    async def _hop(
        self,
        name: str,
        fits: Callable[[dict[str, Any]], bool],
        send: Callable[[], Awaitable[None]],
        *,
        at: Party,
        hand: Hand | None = None,
    ) -> None:
        """One party sends, the other's socket (`at`) receives."""
        began = time.monotonic()
        sending = asyncio.ensure_future(send())
        try:
            await at.hear(fits, name, seconds=hand.patience_seconds if hand else STEP_SECONDS)
        except RehearsalFailed:
            if sending.done():
                sending.result()  # what was not sent cannot be heard: its own error says more
            raise
        self._note(name, began, timed=hand is None or not hand.by_people)
        await sending


STEP_NAMES = ("content_ready", "answer_started", "in_queue", "claimed_seen", "reply_seen", "resolved")


async def _write(party: Party, text: str, **more: str) -> None:
    await party.say(type="message.send", client_id=str(uuid4()), text=text, **more)


async def _post(http: httpx.AsyncClient, path: str) -> None:
    (await http.post(path)).raise_for_status()


def _is_answer(frame: dict[str, Any]) -> bool:
    return frame["type"] == "delta" or _is_whole_answer(frame)


def _is_whole_answer(frame: dict[str, Any]) -> bool:
    if frame["type"] != "message" or frame["sender"] != "ai":
        return False
    if frame["event"] or frame["data"].get("outcome") != "reply":
        raise RehearsalFailed("The AI did not answer a question that the content answers.")
    return True


def _is_queued(conversation: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: (
        frame["type"] == "state" and frame["conversation"] == conversation and frame["owner"] == "queue"
    )


def _is_event(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame["type"] == "message" and frame["event"] == name


def as_json(steps: list[Step], ok: bool) -> str:
    """The report that programs read: {"ok", "steps": [{"name", "ok", "ms", "target_ms"}]}."""
    rows = [{key: value for key, value in asdict(step).items() if key != "problem" or value} for step in steps]
    return json.dumps({"ok": ok, "steps": rows}, ensure_ascii=False)
