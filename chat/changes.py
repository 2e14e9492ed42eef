"""What an entry of the log reads as now: rows are never edited in place, so whoever reads texts reads them here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from chat.models import Message

EDITED, DELETED, ERASED = "edited", "deleted", "erased"
CHANGES = (EDITED, DELETED, ERASED)
SAID = (Message.Kind.TEXT, Message.Kind.NOTE, Message.Kind.FILE)


def as_now(entries: QuerySet[Message]) -> QuerySet[Any]:
    """The same entries, each with `now`, its text as it reads now, and `change`, the event of its newest change, or
    empty. An entry that is itself a change reads as what it changed does: what was taken back is told to nobody who
    comes later. Also for subqueries: `as_now(...).values("now")`."""
    newest = Message.objects.filter(
        conversation=OuterRef("conversation"),
        target=Coalesce(OuterRef("target"), OuterRef("seq")),
        event__in=CHANGES,
    ).order_by("-seq")
    return entries.annotate(
        now=Coalesce(Subquery(newest.values("text")[:1]), F("text"), output_field=TextField()),
        change=Coalesce(Subquery(newest.values("event")[:1]), Value(""), output_field=CharField()),
    )


def texts_now(rows: Sequence[Message], *, to_the_end: bool) -> dict[int, str]:
    """By seq, what the entries of a stretch of one log read as now, like `as_now` and at a third of its cost: this is
    read for every socket. A change comes after what it changes, so a stretch that goes to the log's end knows them all;
    else the log is asked for those beyond."""
    newest: dict[int | None, str] = {row.target: row.text for row in rows if row.target}
    if rows and not to_the_end:
        seqs = [row.target or row.seq for row in rows]
        later = Message.objects.filter(conversation=rows[0].conversation_id, target__in=seqs, seq__gt=rows[-1].seq)
        newest |= dict(later.order_by("seq").values_list("target", "text"))
    return {row.seq: newest.get(row.target or row.seq, row.text) for row in rows}


def now_of(message: Message) -> Any:
    """One entry anew from the database, with `now` and `change`."""
    return as_now(Message.objects.filter(pk=message.pk)).get()


def saying(entries: QuerySet[Message], words: str) -> QuerySet[Message]:
    """Of texts, notes, file names and their edits those that hold the words, as things read now. The words are looked
    for first, and only what was found is asked whether something newer replaced it."""
    newer = Message.objects.filter(
        conversation=OuterRef("conversation"),
        target=Coalesce(OuterRef("target"), OuterRef("seq")),
        event__in=CHANGES,
        seq__gt=OuterRef("seq"),
    )
    spoken = Q(kind__in=SAID) | Q(event=EDITED)
    return entries.filter(spoken, ~Exists(newer), text__icontains=words)
