"""Each invariant is seen to fail on a journal made by hand, and to hold on the one that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.facts import Facts, calm_seconds
from tests.faults.oracle import judge

V, A = "visitor0", "agent0"
Spoil = Callable[[Facts], None]


def row(t: float, party: str, what: str, **fields: Any) -> dict[str, Any]:
    return {"t": t, "party": party, "what": what, **fields}


def entry(seq: int, at: float, sender: str, text: str = "", **fields: Any) -> dict[str, Any]:
    plain = {"kind": "event" if fields.get("event") else "text", "event": "", "data": {}, "internal": False,
             "target": None, "client_id": None, "sender_name": "", "schema": "t_a", "conversation": "c1"}  # fmt: skip
    return {**plain, "id": seq + 100, "seq": seq, "at": at, "sender": sender, "text": text, **fields}


def shown(t: float, party: str, of: dict[str, Any]) -> dict[str, Any]:
    kept = ("conversation", "seq", "kind", "sender", "event", "text", "target", "client_id")
    return row(t, party, "shown", turn=of["data"].get("turn"), epoch=1, name="", **{key: of[key] for key in kept})


def facts() -> Facts:
    """A question, its answer, a cry for people, a claim, a note, a reply that is edited; seen by both."""
    log = [
        entry(1, 10.0, "visitor", "How long? #visitor0.1#", client_id="k1"),
        entry(2, 11.0, "ai", "For long. #visitor0.1#", data={"turn": 7}),
        entry(3, 12.0, "visitor", "A human! #visitor0.2#", client_id="k2"),
        entry(4, 12.0, "ai", "Somebody comes.", event="handed_over"),
        entry(5, 13.0, "agent", event="joined", sender_name="Ann"),
        entry(6, 14.0, "agent", "Between us. #agent0.1#", kind="note", internal=True, client_id="k3"),
        entry(7, 15.0, "agent", "Helo. #agent0.2#", client_id="k4"),
        entry(8, 16.0, "agent", "Hello.", event="edited", target=7),
    ]
    sent = [(9.9, V, "k1", "#visitor0.1#"), (11.9, V, "k2", "#visitor0.2#"), (13.9, A, "k3", "#agent0.1#"), (14.9, A, "k4", "#agent0.2#")]  # fmt: skip # noqa: E501
    journal = [
        row(9.0, V, "up"),
        row(9.0, A, "up"),
        row(9.1, V, "owner", conversation="c1", owner="ai", epoch=1, name=""),
    ]
    for t, party, client_id, mark in sent:
        journal.append(
            row(t, party, "sent", client_id=client_id, mark=mark, kind="message.send", conversation="c1", note=False)
        )
    for one in log:
        if one["client_id"]:
            journal.append(row(one["at"] + 0.1, V if one["sender"] == "visitor" else A, "acked", client_id=one["client_id"], seq=one["seq"]))  # fmt: skip # noqa: E501
        if not one["internal"]:
            journal.append(shown(one["at"] + 0.2, V, one))
        journal.append(shown(one["at"] + 0.2, A, one))
    journal.append(row(10.5, V, "stream", conversation="c1", turn=7, epoch=1, offset=0, text="For"))
    for party in (V, A):
        journal.append(row(13.2, party, "owner", conversation="c1", owner="agent", epoch=3, name="Ann"))
        texts = {one["seq"]: one["text"] for one in log if one["seq"] < 8 and (party == A or not one["internal"])}
        journal.append(
            row(20.0, party, "final", conversation="c1", texts=list((texts | {7: "Hello."}).items()), last=8)
        )
    journal.sort(key=lambda each: each["t"])
    return Facts(
        journal=journal,
        messages=log,
        conversations=[
            {"id": "c1", "owner": "agent", "epoch": 3, "last_seq": 8, "open_handoff": True, "schema": "t_a"}
        ],
        turns=[{"id": 7, "state": "done", "message_id": 101, "first_words_at": 10.4, "schema": "t_a"}],
        outbox=[
            {"id": n, "kind": "slack.reply", "lane": "c1", "key": f"r{n}", "state": "sent", "next_at": 14.0,
             "payload": {"seq": seq}, "schema": "t_a"}
            for n, seq in ((1, 3), (2, 7))
        ],
        posts=[{"channel": "C", "thread": "1", "key": key, "marks": ["#visitor0.2#"]} for key in ("r1", "r2")],
        model=[{"mark": "#visitor0.1#", "from": 10.2, "until": 10.9, "fault": ""}],
        schemas={V: "t_a", A: "t_a"},
        probes={"one row for a client id": True},
        ended=20.0,
    )  # fmt: skip


def test_a_good_run_is_called_good() -> None:
    assert judge(facts()) == {}


def drop(what: str, **fields: Any) -> Spoil:
    """Take journal rows away."""

    def spoil(given: Facts) -> None:
        before = len(given.journal)
        given.journal = [
            one for one in given.journal
            if one["what"] != what or any(one.get(key) != value for key, value in fields.items())
        ]  # fmt: skip
        assert len(given.journal) < before

    return spoil


def add(*rows: dict[str, Any]) -> Spoil:
    def spoil(given: Facts) -> None:
        given.journal += rows
        given.journal.sort(key=lambda each: each["t"])

    return spoil


def change(place: str, number: int, **fields: Any) -> Spoil:
    return lambda given: getattr(given, place)[number].update(fields)


def lose_row(given: Facts) -> None:
    del given.messages[2]


def double_row(given: Facts) -> None:
    given.messages.append(entry(9, 16.0, "visitor", "How long? #visitor0.1#", client_id="k1"))
    given.conversations[0]["last_seq"] = 9


def shorten_final(given: Facts) -> None:
    next(one for one in given.journal if one["what"] == "final")["texts"].pop()


def forget_edit(given: Facts) -> None:
    for one in given.journal:
        if one["what"] == "final":
            one["texts"] = [(seq, "Helo. #agent0.2#" if seq == 7 else text) for seq, text in one["texts"]]


def second_winner(given: Facts) -> None:
    given.messages[5] = entry(6, 14.0, "agent", event="joined", sender_name="Bob")


def post_again(given: Facts) -> None:
    given.posts.append(given.posts[0])


def swap_posts(given: Facts) -> None:
    given.posts.reverse()


def late_answers(given: Facts) -> None:
    """Ten conversations in which a lone question waits for 6 s."""
    for n in range(10):
        at = 100.0 + 20 * n
        place = {"conversation": f"x{n}", "id": 1000 + n}
        given.messages += [entry(1, at, "visitor", "Why?", **place), entry(2, at + 6, "ai", "So.", **place)]
        given.conversations.append({"id": f"x{n}", "owner": "ai", "epoch": 1, "last_seq": 2, "open_handoff": False, "schema": "t_a"})  # fmt: skip # noqa: E501


def late_nudges(given: Facts) -> None:
    """The agent's further words, each seen 3 s later."""
    for n in range(10):
        more = entry(9 + n, 17.0 + n, "agent", f"more {n}")
        given.messages.append(more)
        given.journal += [shown(20.0 + n, V, more), shown(20.0 + n, A, more)]
    given.conversations[0]["last_seq"] = 18
    for one in given.journal:
        if one["what"] == "final":
            one["texts"] += [(9 + n, f"more {n}") for n in range(10)]
    given.journal.sort(key=lambda each: each["t"])


BROKEN: list[tuple[str, str, Spoil]] = [
    ("I1", "an acknowledged message is gone", lose_row),
    ("I1", "a message is stored twice", double_row),
    ("I1", "the database would take a second one", lambda given: given.probes.update(x=False)),
    ("I1", "the receipt names another row", change("messages", 2, client_id="k9")),
    ("I2", "no receipt ever came", drop("acked", client_id="k2")),
    ("I2", "a visitor was refused", add(row(19, V, "sent", client_id="k8", mark="#visitor0.3#", kind="message.send", conversation="c1", note=False), row(19.1, V, "refused", client_id="k8", code="bad_frame", retryable=False))),  # noqa: E501
    ("I3", "a hole in the log", lose_row),
    ("I3", "the conversation counts wrongly", change("conversations", 0, last_seq=7)),
    ("I4", "the second message stands first", lambda given: (given.messages[0].update(client_id="k2"), given.messages[2].update(client_id="k1"))),  # noqa: E501
    ("I5", "an entry is missing on a screen", shorten_final),
    ("I5", "an edit was not applied", forget_edit),
    ("I5", "a bubble twice", lambda given: given.journal.append(shown(19, V, given.messages[6]))),
    ("I6", "two holders in one epoch", add(row(19, V, "owner", conversation="c1", owner="agent", epoch=3, name="Bob"))),
    ("I6", "two winners of one claim", second_winner),
    ("I6", "two workers on one turn", lambda given: given.model.append({"mark": "#visitor0.1#", "from": 10.3, "until": 11, "fault": ""})),  # noqa: E501
    ("I6", "one turn answered twice", lambda given: given.messages.insert(2, entry(3, 11.5, "ai", "Again.", data={"turn": 7}))),  # noqa: E501
    ("I7", "an AI text stored after the claim", change("messages", 6, sender="ai", client_id=None)),
    ("I7", "AI words shown after the claim", add(row(14, V, "stream", conversation="c1", turn=8, epoch=3, offset=0, text="I"))),  # noqa: E501
    ("I8", "posted twice", post_again),
    ("I8", "posted out of order", swap_posts),
    ("I8", "never posted", lambda given: given.posts.pop()),
    ("I8", "posted by nobody", lambda given: given.posts.append({**given.posts[0], "key": "r9"})),
    ("I9", "a row in another tenant", change("messages", 0, schema="t_b")),
    ("I9", "words in another tenant", change("messages", 1, schema="t_b")),
    ("I10", "a question without any answer", lambda given: given.messages.append(entry(9, 17, "visitor", "?")) or given.messages[7].update(event="handed_back", target=None)),  # noqa: E501
    ("I10", "a turn left open", change("turns", 0, state="running")),
    ("I10", "something left in the outbox", change("outbox", 1, state="waiting", next_at=1.0)),
    ("I10", "a queue that nobody sees", change("conversations", 0, owner="queue", open_handoff=False)),
    ("I10", "first words too late", lambda given: (given.messages[1].update(at=40.0), given.turns[0].update(first_words_at=39.0))),  # noqa: E501
    ("I10", "an entry seen too late", lambda given: given.journal.append(shown(40.0, V, entry(7, 15.0, "agent")))),
    ("I10", "lone questions wait for a sweep", late_answers),
    ("I10", "nudges do nothing", late_nudges),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "what", "spoil"), BROKEN, ids=[f"{name}: {what}" for name, what, _ in BROKEN])
def test_a_broken_invariant_is_named(invariant: str, what: str, spoil: Spoil) -> None:
    given = facts()
    spoil(given)
    assert invariant in judge(given)


def test_faults_stop_the_clock_of_a_promise() -> None:
    given = facts()
    given.messages[1]["at"], given.turns[0]["first_words_at"] = 40.0, 39.0
    given.journal.append(row(11.0, "harness", "fault", kind="x", touches=("postgres",), until=30.0))
    assert "I10" not in judge(given)


def test_calm_time_is_what_lies_outside_of_all_windows() -> None:
    assert calm_seconds(0, 10, [(1, 3), (8, 20)]) == 6
    assert calm_seconds(2, 3, [(1, 4)]) == 0
