"""The ten invariants, as pure functions from facts to complaints. Nothing here knows how the product works."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from tests.faults import promises
from tests.faults.facts import Facts, owners, said, screen, visible
from tests.faults.journal import of

ANSWERS_TWICE = 0.5  # two answers to one question that overlap longer than this were two workers
AGENTS_MAY_MEET = {"not_holder"}  # they wrote after somebody else had the word
Check = Callable[[Facts], Iterator[str]]


def i1(facts: Facts) -> Iterator[str]:
    """Every acknowledged client id is exactly one row."""
    rows = defaultdict(list)
    for row in facts.messages:
        if row["client_id"]:
            rows[row["client_id"]].append(row)
    sent = facts.sent()
    for client_id, ack in facts.acked().items():
        kept = rows.get(client_id, [])
        nothing_to_store = sent[client_id]["kind"] == "human.request" and ack["seq"] == 0
        if len(kept) != 1 and not (nothing_to_store and len(kept) == 0):
            yield f"{ack['party']}: {client_id} was acknowledged and is {len(kept)} rows"
        elif kept and ack["seq"] and kept[0]["seq"] != ack["seq"]:
            yield f"{ack['party']}: {client_id} was acknowledged as {ack['seq']} and is {kept[0]['seq']}"
    for changed in of(facts.journal, "changed"):
        if changed["edit"] and changed["status"] == 200 and len(rows.get(changed["client_id"], [])) != 1:
            yield f"{changed['party']}: the edit of {changed['seq']} in {changed['conversation']} is not one row"
    for client_id, kept in rows.items():
        if len(kept) > 1:
            yield f"{client_id} is {len(kept)} rows"
    for question, is_right in facts.probes.items():
        if not is_right:
            yield f"the database does not guard this: {question}"


def i2(facts: Facts) -> Iterator[str]:
    """Everything that was sent is acknowledged in the end."""
    for row in of(facts.journal, "broke"):
        yield f"{row['party']}: the driver itself broke: {row['error']}"
    for row in of(facts.journal, "changed"):
        if row["status"] not in (200, 409):
            yield f"{row['party']}: a change of {row['seq']} was answered with {row['status']} {row['code']}"
    acked = facts.acked()
    refused = {row["client_id"]: row["code"] for row in of(facts.journal, "refused") if not row["retryable"]}
    for client_id, sent in facts.sent().items():
        if client_id in acked:
            continue
        code = refused.get(client_id)
        if code is None:
            yield f"{sent['party']}: {sent['kind']} {sent['mark'] or client_id} was never acknowledged"
        elif code not in AGENTS_MAY_MEET or not sent["party"].startswith("agent"):
            yield f"{sent['party']}: {sent['kind']} {sent['mark'] or client_id} was refused: {code}"


def i3(facts: Facts) -> Iterator[str]:
    """Seq is 1..n without hole or repeat, and the conversation knows n."""
    logs = facts.logs()
    for conversation in facts.conversations:
        seqs = [row["seq"] for row in logs.get(conversation["id"], [])]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"conversation {conversation['id']}: seqs {said(seqs)}"
        if conversation["last_seq"] != len(seqs):
            yield f"conversation {conversation['id']} counts {conversation['last_seq']} and has {len(seqs)}"


def i4(facts: Facts) -> Iterator[str]:
    """Per sender, the order of seq is the order of sending."""
    seqs = {row["client_id"]: row["seq"] for row in facts.messages if row["client_id"]}
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for sent in of(facts.journal, "sent"):
        if sent["kind"] != "message.send" or sent["client_id"] not in seqs:
            continue
        place, seq = (sent["party"], sent["conversation"]), seqs[sent["client_id"]]
        if place in last and seq < last[place][0]:
            yield f"{sent['party']}: {sent['mark']} was sent after {last[place][1]} and stands before it"
        last[place] = max(last.get(place, (0, "")), (seq, sent["mark"]))


def i5(facts: Facts) -> Iterator[str]:
    """What each party shows in the end is the log as it may see it, in order, changes applied, nothing twice."""
    logs = facts.logs()
    for final in of(facts.journal, "final"):
        log = visible(logs.get(final["conversation"], []), to_visitor=not final["party"].startswith("agent"))
        wanted = screen(log)
        shown = [(int(seq), text) for seq, text in final["texts"]]
        if shown != wanted:
            missing = [seq for seq, _ in wanted if seq not in dict(shown)]
            yield f"{final['party']} shows {len(shown)} of {len(wanted)} entries; missing {missing[:8]}"
    for party, rows in facts.by_party().items():
        shown_ids = Counter((row["conversation"], row["client_id"]) for row in of(rows, "shown") if row["client_id"])
        seqs = Counter((row["conversation"], row["seq"]) for row in of(rows, "shown"))
        for what, times in [*shown_ids.items(), *seqs.items()]:
            if times > 1:
                yield f"{party} shows {what[1]} {times} times"


def i6(facts: Facts) -> Iterator[str]:
    """One holder per epoch, of a conversation and of a turn."""
    holders = defaultdict(set)
    for row in of(facts.journal, "owner"):
        holders[row["conversation"], row["epoch"]].add((row["owner"], row["name"]))
    for (conversation, epoch), found in holders.items():
        if len(found) > 1:
            yield f"conversation {conversation}, epoch {epoch}: {sorted(found)}"
    for log in facts.logs().values():
        for row, owner, holder in owners(log):
            if row["event"] == "joined" and owner == "agent" and holder != row["sender_name"]:
                yield f"{row['sender_name']} joined {row['conversation']} while {holder} held it"
    calls = defaultdict(list)
    for call in facts.model:
        if call["mark"] and not call["fault"]:
            calls[call["mark"]].append(call)
    for mark, found in calls.items():
        found.sort(key=lambda call: call["from"])
        for one, other in zip(found, found[1:], strict=False):
            if (one["until"] or facts.ended) - other["from"] > ANSWERS_TWICE:
                yield f"two workers answered {mark} at once"
    for turn, times in Counter(_turn_of(row) for row in facts.messages if _turn_of(row)).items():
        if times > 1:
            yield f"turn {turn} was answered {times} times"


def _turn_of(row: dict[str, object]) -> tuple[object, object] | None:
    data = row["data"]
    turn = data.get("turn") if isinstance(data, dict) and row["sender"] == "ai" else None
    return (row["schema"], turn) if turn else None


def i7(facts: Facts) -> Iterator[str]:
    """No AI text, stored or streamed, once a human has the word."""
    for log in facts.logs().values():
        for row, owner, _ in owners(log):
            if row["sender"] == "ai" and row["kind"] == "text" and owner != "ai":
                yield f"conversation {row['conversation']}: the AI wrote {row['seq']} while the word was with {owner}"
    speaks = {(row["conversation"], row["epoch"]): row["owner"] for row in of(facts.journal, "owner")}
    for party, rows in facts.by_party().items():
        taken: dict[str, int] = {}
        for row in of(rows, "stream", "owner"):
            place = row["conversation"]
            if row["what"] == "owner" and row["owner"] == "agent":
                taken[place] = max(taken.get(place, 0), row["epoch"])
            elif row["what"] == "stream" and row["epoch"] <= taken.get(place, -1):
                yield f"{party} was shown AI words of turn {row['turn']} after a person took over"
            elif row["what"] == "stream" and speaks.get((place, row["epoch"]), "ai") in ("agent", "queue"):
                yield f"{party} was shown AI words of an epoch in which people had the word"


def i8(facts: Facts) -> Iterator[str]:
    """Each effect on the outside once, and in order."""
    entries = {row["key"]: row for row in facts.outbox}
    posts = Counter(post["key"] for post in facts.posts)
    for key, times in posts.items():
        if times > 1:
            yield f"posted {times} times: {key}"
        if key not in entries:
            yield f"posted, and nobody asked for it: {key}"
    texts = {(row["conversation"], row["seq"]) for row in facts.messages if row["kind"] == "text" and row["text"]}
    for key, entry in entries.items():
        has_words = entry["kind"] == "slack.thread" or (
            entry["kind"] == "slack.reply" and (entry["lane"], entry["payload"].get("seq")) in texts
        )
        if entry["state"] == "sent" and has_words and not posts[key]:
            yield f"said to be sent, and never posted: {key}"
    last: dict[str, int] = {}
    for post in facts.posts:
        entry = entries.get(post["key"])
        if entry is None:
            continue
        if entry["id"] < last.get(entry["lane"], 0):
            yield f"posted out of order: {post['key']}"
        last[entry["lane"]] = max(last.get(entry["lane"], 0), entry["id"])


def i9(facts: Facts) -> Iterator[str]:
    """No row in another schema than its sender's."""
    sent = facts.sent()
    for row in facts.messages:
        origin = sent.get(row["client_id"] or "")
        if origin and facts.schemas.get(origin["party"]) != row["schema"]:
            yield f"{origin['mark']} of {origin['party']} is in {row['schema']}"
        for mark in promises.marks(row["text"]):
            party = mark.strip("#").rsplit(".", 1)[0]
            if party in facts.schemas and facts.schemas[party] != row["schema"]:
                yield f"the words {mark} of {party} are in {row['schema']}"
    for post in facts.posts:
        lane = next((row for row in facts.outbox if row["key"] == post["key"]), None)
        for mark in post["marks"]:
            party = mark.strip("#").rsplit(".", 1)[0]
            if lane and party in facts.schemas and facts.schemas[party] != lane["schema"]:
                yield f"the words {mark} of {party} left through {lane['schema']}"


def i10(facts: Facts) -> Iterator[str]:
    """Nothing waits past its promise without a visible state."""
    for check in promises.CHECKS:
        yield from check(facts)


INVARIANTS: dict[str, Check] = {
    "I1": i1, "I2": i2, "I3": i3, "I4": i4, "I5": i5, "I6": i6, "I7": i7, "I8": i8, "I9": i9, "I10": i10,
}  # fmt: skip


def judge(facts: Facts) -> dict[str, list[str]]:
    """The complaints of each invariant that was broken."""
    found = {name: list(check(facts)) for name, check in INVARIANTS.items()}
    return {name: complaints for name, complaints in found.items() if complaints}
