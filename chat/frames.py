"""The commands that clients send: closed schemas (docs/protocol.md). An unknown field or type is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chat.errors import BadFrame

VERSION = 1
LARGEST_FRAME_BYTES = 64 * 1024


class Frame(BaseModel):
    """Base of all commands."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Page(Frame):
    url: Annotated[str, Field(max_length=2000)]
    title: Annotated[str, Field(max_length=500)] = ""


class VisitorHello(Frame):
    type: Literal["hello"]
    v: int
    token: Annotated[str, Field(min_length=1, max_length=200)]
    seq: Annotated[int, Field(ge=0)] = 0
    page: Page | None = None
    language: Annotated[str, Field(max_length=35)] = ""


class DeskHello(Frame):
    type: Literal["hello"]
    v: int


class MessageSend(Frame):
    type: Literal["message.send"]
    client_id: UUID
    text: Annotated[str, Field(max_length=60_000)]


class HumanRequest(Frame):
    type: Literal["human.request"]
    client_id: UUID


class TypingSet(Frame):
    type: Literal["typing.set"]
    on: bool


class SeenSet(Frame):
    type: Literal["seen.set"]
    seq: Annotated[int, Field(ge=0)]


class PageView(Frame):
    type: Literal["page.view"]
    url: Annotated[str, Field(max_length=2000)]
    title: Annotated[str, Field(max_length=500)] = ""
    away: bool = False


class Resume(Frame):
    type: Literal["resume"]
    seq: Annotated[int, Field(ge=0)]


class LeadSubmit(Frame):
    type: Literal["lead.submit"]
    client_id: UUID
    email: Annotated[str, Field(max_length=254)]
    name: Annotated[str, Field(max_length=120)] = ""


class RatingSubmit(Frame):
    type: Literal["rating.submit"]
    client_id: UUID
    score: Annotated[int, Field(ge=1, le=5)]
    comment: Annotated[str, Field(max_length=2000)] = ""


class DeskMessageSend(MessageSend):
    conversation: UUID
    note: bool = False


class DeskTypingSet(TypingSet):
    conversation: UUID


class DeskSeenSet(SeenSet):
    conversation: UUID


class DeskResume(Frame):
    """Without a conversation it is a sign of life only."""

    type: Literal["resume"]
    conversation: UUID | None = None
    seq: Annotated[int, Field(ge=0)] = 0


class DeskLeave(Frame):
    type: Literal["leave"]
    conversation: UUID


_VISITOR: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        VisitorHello
        | MessageSend
        | HumanRequest
        | TypingSet
        | SeenSet
        | PageView
        | Resume
        | LeadSubmit
        | RatingSubmit,
        Field(discriminator="type"),
    ]
)
_DESK: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        DeskHello | DeskMessageSend | DeskTypingSet | DeskSeenSet | DeskResume | DeskLeave,
        Field(discriminator="type"),
    ]
)


def parse(text: str, *, desk: bool) -> Any:
    """The command in a frame's text. Raises BadFrame, naming the field but never echoing its value."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_FRAME_BYTES:
        raise BadFrame("A frame is at most 64 KiB.")
    try:
        return (_DESK if desk else _VISITOR).validate_json(text)
    except (ValidationError, ValueError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "not JSON"}
        where = ".".join(str(part) for part in problem["loc"][-1:])
        raise BadFrame(f"Not a frame of the protocol: {where or 'frame'}: {problem['msg']}"[:200]) from None
