"""Pictures and PDFs: what may pass, what is left of it, who may read it, and what a refusal leaves behind."""

from __future__ import annotations

import io
import json
import resource
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from PIL import Image

from builtabot import asgi
from chat import actions, attachments, delivery
from chat.actions.attachments import MOST_AN_HOUR
from chat.attachments import LARGEST_BYTES, Upload, clean_name
from chat.errors import FileBroken, FileTypeRefused, NotHolder, TooManyFiles, UnknownAttachment
from chat.models import Attachment, Conversation, Episode, Handoff, Message, Turn
from knowledge.pdf_child import answer_to
from tenants.models import Due
from tenants.schema import run_in
from tests.cast import PNG, Cast, Thread
from tests.chat import hostile_files as files
from tests.conftest import Tenants
from tests.knowledge.test_pdf import make_pdf

DAMAGED = {"truncate", "flip"}
RECORDS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data/security/uploads.jsonl").read_text(encoding="utf-8").splitlines()
]
PDF = make_pdf(["Invoice."])
GOOD = {
    "shot.png": ("image/png", files.picture("PNG")),
    "shot.JPG": ("image/jpeg", files.picture("JPEG")),
    "shot.jpeg": ("image/jpeg", files.picture("JPEG")),
    "shot.webp": ("image/webp", files.picture("WEBP")),
    "shot.gif": ("image/gif", files.picture("GIF")),
    "invoice.pdf": ("application/pdf", PDF),
}
OnCommit = Callable[[], AbstractContextManager[list[Callable[[], object]]]]


@pytest.fixture
def cast(tenants: Tenants) -> Cast:
    return tenants.a


def send(cast: Cast, name: str, data: bytes, *, thread: Thread | None = None, client_id: object = None) -> Any:
    """A visitor's upload over HTTP."""
    client = cast.client(authorization=f"Bearer {(thread or cast.thread).token}")
    form = {"client_id": client_id or uuid4(), "file": SimpleUploadedFile(name, data)}
    return client.post("/widget/attachment", form)


def fetch(cast: Cast, attachment_id: object) -> Any:
    return cast.client(authorization=f"Bearer {cast.thread.token}").get(f"/widget/attachment/{attachment_id}")


def stored(cast: Cast) -> set[str]:
    """The files of a tenant in the storage."""
    folder = Path(settings.MEDIA_ROOT) / "tenant" / str(cast.tenant_id)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def rows(cast: Cast) -> tuple[int, int]:
    return cast.run(lambda: (Message.objects.count(), Attachment.objects.count()))


def newest(cast: Cast) -> Attachment:
    found: Attachment = cast.run(lambda: Attachment.objects.select_related("message").order_by("-message__pk")[0])
    return found


def claimed(cast: Cast) -> UUID:
    actions.claim_conversation(conversation_id=cast.thread.conversation_id, seat=cast.agent.seat)
    return cast.thread.conversation_id


# -- what passes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_file_becomes_an_entry_that_both_sides_read(cast: Cast, name: str) -> None:
    media_type, data = GOOD[name]
    client_id = uuid4()
    answer = send(cast, name, data, client_id=client_id)
    row = newest(cast)
    assert answer.status_code == 200
    assert answer.json() == {
        "client_id": str(client_id),
        "seq": cast.thread.last_seq + 1,
        "at": row.message.created_at.isoformat(),
    }
    conversation = cast.run(Conversation.objects.get, pk=cast.thread.conversation_id)
    for audience in ("visitor", "team"):
        (entry,) = cast.run(delivery.entries, conversation, audience=audience, after=cast.thread.last_seq)
        assert (entry["kind"], entry["sender"], entry["text"]) == ("file", "visitor", name)
        size = (60, 40) if media_type != "application/pdf" else (None, None)
        told = {"id": str(row.pk), "name": name, "type": media_type, "bytes": row.size_bytes}
        assert entry["data"] == {"attachment": {**told, "width": size[0], "height": size[1]}}
    for response in (fetch(cast, row.pk), cast.client(cast.analyst).get(f"/live/attachment/{row.pk}/")):
        assert (response.status_code, response["Content-Type"]) == (200, media_type)
        assert len(response.content) == row.size_bytes
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"].startswith("private")
        shown = "attachment" if media_type == "application/pdf" else "inline"
        assert response["Content-Disposition"] == f'{shown}; filename="{name}"'


def test_the_bytes_are_kept_under_a_generated_name_in_the_tenants_own_folder(cast: Cast) -> None:
    before = stored(cast)
    send(cast, "../../etc/passwd.png", files.picture("PNG"))
    (path,) = stored(cast) - before
    folder, name = path.split("/")
    assert (folder, newest(cast).name) == ("attachments", "passwd.png")
    assert UUID(name)
    assert newest(cast).key == f"tenant/{cast.tenant_id}/{path}"


def test_sending_again_with_the_same_id_stores_nothing_more(cast: Cast) -> None:
    client_id = uuid4()
    first = send(cast, "shot.png", files.picture("PNG"), client_id=client_id).json()
    before = rows(cast), stored(cast)
    assert send(cast, "shot.png", files.picture("PNG"), client_id=client_id).json() == first
    assert (rows(cast), stored(cast)) == before


def test_two_at_once_with_the_same_id_are_one(fresh_tenant: Cast) -> None:
    cast, client_id = fresh_tenant, uuid4()
    before = stored(cast)
    acks: list[object] = []

    def post() -> None:
        upload = Upload("shot.png", files.picture("PNG"), client_id)
        acks.append(
            run_in(
                cast.schema, actions.send_file_as_visitor, conversation_id=cast.thread.conversation_id, upload=upload
            )
        )
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(acks) == 4
    assert len(set(acks)) == 1
    assert len(stored(cast) - before) == 1


# -- what is left of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")])
def test_a_picture_keeps_its_points_and_nothing_that_it_says_about_itself(form: str, ending: str) -> None:
    data = files.talkative(form)
    assert files.SECRET in data
    assert b"alert" in data
    checked = attachments.check(Upload(f"a.{ending}", data))
    assert files.SECRET not in checked.data
    assert b"alert" not in checked.data
    with Image.open(io.BytesIO(checked.data)) as shown:
        assert not shown.getexif()
        assert not {"comment", "icc_profile", "xmp", "exif", "Author"} & set(shown.info)
        seen = shown.convert("RGB")
    left, right = (seen.getpixel(at) for at in ((5, 20), (55, 20)))
    assert all(abs(a - b) < 12 for a, b in zip((*left, *right), (200, 30, 30, 30, 30, 200), strict=True))


def test_a_picture_that_was_to_be_turned_is_turned() -> None:
    checked = attachments.check(Upload("a.jpg", files.turned()))
    assert (checked.width, checked.height) == (40, 60)


def test_a_large_picture_is_made_smaller() -> None:
    checked = attachments.check(Upload("a.png", files.picture("PNG", (5000, 1000))))
    assert (checked.width, checked.height) == (4096, 819)


@pytest.mark.parametrize(("form", "ending"), [("GIF", "gif"), ("WEBP", "webp")])
def test_a_moving_picture_still_moves(form: str, ending: str) -> None:
    checked = attachments.check(Upload(f"a.{ending}", files.moving(form=form)))
    with Image.open(io.BytesIO(checked.data)) as shown:
        assert (shown.n_frames, shown.size) == (5, (40, 30))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("shot.png", "shot.png"),
        ("C:\\fakepath\\Ümlaut  photo.PNG", "Ümlaut photo.PNG"),
        ("../../etc/x.pdf", "x.pdf"),
        ("in\x00voi\r\nce.pdf", "invoice.pdf"),
        ("photo\u202egnp.exe.png", "photognp.exe.png"),
        ("スクリーンショット.png", "スクリーンショット.png"),
        ("...png", "file.png"),
        ("", "file"),
        ("noending", "noending"),
        ("x" * 300 + ".jpeg", "x" * 108 + ".jpeg"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
    ],
)
def test_a_name_is_text_on_one_line(given: str, kept: str) -> None:
    assert clean_name(given) == kept
    assert len(kept) <= 120


# -- what does not pass ------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, bytes, int, str]] = [
    ("shot.jpg", files.picture("PNG"), 415, "file_type"),
    ("shot.png", PDF, 415, "file_type"),
    ("invoice.pdf", files.picture("PNG"), 415, "file_type"),
    ("noending", files.picture("PNG"), 415, "file_type"),
    ("drawing.svg", files.SVG, 415, "file_type"),
    ("drawing.png", files.SVG, 415, "file_type"),
    ("page.html", files.HTML, 415, "file_type"),
    ("shot.png.html", files.picture("PNG"), 415, "file_type"),
    ("page.pdf", b"\n" + PDF, 415, "file_type"),
    ("icon.ico", b"\0\0\1\0" + bytes(40), 415, "file_type"),
    ("cut.png", files.picture("PNG")[:60], 422, "file_broken"),
    ("cut.jpg", b"\xff\xd8\xff" + bytes(500), 422, "file_broken"),
    ("fake.gif", b"GIF89a/*" + files.HTML, 422, "file_broken"),
    ("fake.webp", b"RIFF\0\0\0\0WEBP" + files.HTML, 422, "file_broken"),
    ("locked.pdf", make_pdf(["x"], password="secret"), 422, "file_broken"),
    ("bomb.png", files.png_that_claims(60_000, 60_000), 413, "picture_too_large"),
    ("bomb.png", files.png_that_claims(7_000, 7_000), 422, "file_broken"),
    ("bomb.gif", files.moving(90, (1000, 1000)), 413, "picture_too_large"),
    ("large.png", files.picture("PNG").ljust(LARGEST_BYTES + 1, b"\0"), 413, "file_too_large"),
    ("large.pdf", PDF.ljust(11 * 1024 * 1024, b"\0"), 413, "file_too_large"),
]


@pytest.mark.parametrize(("name", "data", "status", "code"), REFUSED, ids=[f"{r[0]}-{r[3]}" for r in REFUSED])
def test_a_refused_file_leaves_nothing_behind(cast: Cast, name: str, data: bytes, status: int, code: str) -> None:
    before = rows(cast), stored(cast)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = send(cast, name, data)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (rows(cast), stored(cast)) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kilobytes


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"client_id": str(uuid4())},
        {"file": PNG},
        {"client_id": "no uuid", "file": PNG},
        {"client_id": str(uuid4()), "other": PNG},
        {"client_id": str(uuid4()), "file": [PNG, PNG]},
        {"client_id": str(uuid4()), "file": PNG, "other": PNG},
    ],
)
def test_a_form_that_is_none_of_ours_is_refused(cast: Cast, form: dict[str, Any]) -> None:
    before = rows(cast)

    def given(value: Any) -> Any:
        if isinstance(value, list):
            return [given(one) for one in value]
        return SimpleUploadedFile("a.png", value) if isinstance(value, bytes) else value

    client = cast.client(authorization=f"Bearer {cast.thread.token}")
    answer = client.post("/widget/attachment", {name: given(value) for name, value in form.items()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")
    assert rows(cast) == before


def test_a_body_that_is_no_form_is_refused(cast: Cast) -> None:
    client = cast.client(authorization=f"Bearer {cast.thread.token}")
    for body, kind in (
        (b"{}", "application/json"),
        (b"--x\r\nrubbish", "multipart/form-data; boundary=x"),
        (b"", "a/b"),
    ):
        answer = client.post("/widget/attachment", body, content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize("record", [r for r in RECORDS if not DAMAGED & r["gen"].keys()], ids=lambda r: r["id"])
def test_the_upload_records(cast: Cast, record: dict[str, Any]) -> None:
    for name, data in files.of_record(record["gen"]):
        before, began = rows(cast), time.monotonic()
        answer = send(cast, name, data)
        assert time.monotonic() - began < 30
        assert answer.status_code < 500
        if "refused" in record["expect"] and "parsed" not in record["expect"]:
            assert answer.status_code >= 400
        if answer.status_code != 200:
            assert rows(cast) == before
            assert answer.json()["sentence"]
            continue
        response = fetch(cast, newest(cast).pk)
        assert response["Content-Disposition"].startswith("attachment")
        assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("application/pdf", "nosniff")


@pytest.mark.parametrize("record", [r for r in RECORDS if DAMAGED & r["gen"].keys()], ids=lambda r: r["id"])
def test_a_damaged_pdf_is_an_answer_and_no_crash(record: dict[str, Any]) -> None:
    began = time.monotonic()
    answers = [answer_to(data, only_count=True) for _, data in files.of_record(record["gen"])]
    assert len(answers) == next(iter(record["gen"].values()))
    assert all(("pages" in answer) != ("error" in answer) for answer in answers)
    assert any("error" in answer for answer in answers)
    assert time.monotonic() - began < 30


async def test_a_huge_body_is_refused_before_it_is_read() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was asked for")

    async def send_back(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"team1.localhost"), (b"content-length", b"209715200")]
    await asgi.http(_scope(headers), receive, send_back)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["code"] == "too_large"


async def test_a_body_of_unknown_length_is_stopped_when_it_is_too_much() -> None:
    sent: list[dict[str, Any]] = []
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        assert taken < 40, "it goes on reading"
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    async def send_back(message: dict[str, Any]) -> None:
        sent.append(message)

    await asgi.http(_scope([(b"host", b"team1.localhost")]), receive, send_back)
    assert [message.get("status") for message in sent] == [413, None]


def _scope(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http", "method": "POST", "path": "/widget/attachment", "query_string": b"", "headers": headers,
        "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5000),
    }  # fmt: skip


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer nothing", "Basic abc", "Bearer " + "x" * 300]
)
def test_without_a_token_nothing_is_taken_or_given(cast: Cast, authorization: str) -> None:
    before = rows(cast)
    client = cast.client(authorization=authorization)
    form = {"client_id": uuid4(), "file": SimpleUploadedFile("a.png", PNG)}
    for answer in (
        client.post("/widget/attachment", form),
        client.get(f"/widget/attachment/{cast.thread.attachment_id}"),
        client.get(f"/widget/attachment/{cast.thread.attachment_id}?token={cast.thread.token}"),
        # An agent's session is no visitor's token.
        cast.client(cast.owner).get(f"/widget/attachment/{cast.thread.attachment_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
        assert not answer.cookies
    assert rows(cast) == before


def test_a_visitors_token_opens_no_dashboard(cast: Cast) -> None:
    client = cast.client(authorization=f"Bearer {cast.thread.token}")
    assert client.get(f"/live/attachment/{cast.thread.attachment_id}/").status_code == 302
    form = {"client_id": uuid4(), "file": SimpleUploadedFile("a.png", PNG)}
    assert client.post(f"/live/c/{cast.thread.conversation_id}/attachment/", form).status_code == 403


def test_another_site_may_ask_first(cast: Cast) -> None:
    for path, method in (("/widget/attachment", "POST"), (f"/widget/attachment/{uuid4()}", "GET")):
        response = cast.client().options(path, headers={"Origin": "https://shop.example"})
        assert response.status_code == 204
        assert response["Access-Control-Allow-Origin"] == "*"
        assert response["Access-Control-Allow-Methods"] == f"{method}, OPTIONS"
        assert "authorization" in response["Access-Control-Allow-Headers"]


def test_only_who_holds_the_conversation_sends_files_to_the_visitor(cast: Cast) -> None:
    path = f"/live/c/{cast.thread.conversation_id}/attachment/"

    def post(person: Any) -> tuple[int, str]:
        form = {"client_id": uuid4(), "file": SimpleUploadedFile("a.png", PNG)}
        answer = cast.client(person).post(path, form)
        return answer.status_code, answer.json().get("code", "")

    before = rows(cast), stored(cast)
    assert post(cast.agent) == (409, "not_holder")
    assert post(cast.analyst) == (403, "not_allowed")
    assert (rows(cast), stored(cast)) == before
    cast.run(claimed, cast)
    assert post(cast.owner) == (409, "not_holder")
    assert post(cast.agent) == (200, "")
    handoff = cast.run(Handoff.objects.get, pk=cast.thread.handoff_id)
    assert handoff.first_reply_at == newest(cast).message.created_at


def test_a_file_that_found_no_place_in_the_log_is_not_kept(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with cast.inside():
        claimed(cast)
        before = stored(cast)

        def check(upload: Upload) -> attachments.Checked:
            # Meanwhile the agent gives the conversation back.
            actions.release_conversation(conversation_id=cast.thread.conversation_id, seat=cast.agent.seat)
            return attachments.Checked(upload.name, upload.data, "image/png", 1, 1)

        monkeypatch.setattr(attachments, "check", check)
        with pytest.raises(NotHolder):
            actions.send_file_as_seat(
                conversation_id=cast.thread.conversation_id, seat_id=cast.agent.seat_id, upload=Upload("a.png", PNG)
            )
        assert stored(cast) == before


def _sent_before(cast: Cast, count: int, *, sender: str = "visitor", minutes: int = 1) -> None:
    conversation = Conversation.objects.get(pk=cast.thread.conversation_id)
    for _ in range(count):
        conversation.last_seq += 1
        Message.objects.create(
            conversation=conversation, episode_id=cast.thread.episode_id, seq=conversation.last_seq, kind="file",
            sender=sender, sender_key=sender, text="a.png", created_at=timezone.now() - timedelta(minutes=minutes),
        )  # fmt: skip
    conversation.save(update_fields=["last_seq"])


def test_ten_files_an_hour_from_each_side(cast: Cast) -> None:
    with cast.inside():
        conversation_id = claimed(cast)
        Message.objects.filter(kind="file").update(created_at=timezone.now() - timedelta(days=1))
        _sent_before(cast, MOST_AN_HOUR, minutes=20)
        with pytest.raises(TooManyFiles) as refused:
            actions.send_file_as_visitor(conversation_id=conversation_id, upload=Upload("a.png", PNG))
        assert "in 40 min." in refused.value.sentence
        # The agent has an hour of their own, and the visitor's ends.
        actions.send_file_as_seat(
            conversation_id=conversation_id, seat_id=cast.agent.seat_id, upload=Upload("a.png", PNG)
        )
        Message.objects.filter(kind="file", sender="visitor").update(created_at=timezone.now() - timedelta(minutes=61))
        actions.send_file_as_visitor(conversation_id=conversation_id, upload=Upload("a.png", PNG))


def test_twelve_at_once_are_ten(fresh_tenant: Cast) -> None:
    cast = fresh_tenant
    cast.run(lambda: Message.objects.filter(kind="file").update(created_at=timezone.now() - timedelta(days=1)))
    refused: list[str] = []

    def post() -> None:
        try:
            run_in(
                cast.schema,
                actions.send_file_as_visitor,
                conversation_id=cast.thread.conversation_id,
                upload=Upload("a.png", PNG, uuid4()),
            )
        except TooManyFiles as error:
            refused.append(error.code)
        finally:
            connection.close()

    before = stored(cast)
    threads = [threading.Thread(target=post) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert refused == ["too_many_files"] * 2
    assert len(stored(cast) - before) == MOST_AN_HOUR


# -- the AI ------------------------------------------------------------------------------------------------------------


def _with_ai(cast: Cast, language: str) -> Conversation:
    opened = actions.open_session(project=cast.project_key, token=None, language=language)
    return Conversation.objects.get(pk=opened.conversation_id)


def _texts(conversation: Conversation) -> list[tuple[str, str, str]]:
    return list(conversation.messages.order_by("seq").values_list("sender", "kind", "text"))


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en-GB", "I can't read files. A person can."),
        ("de", "Ich kann keine Dateien lesen. Ein Mensch kann es."),
        ("ja", "ファイルは読み取れません。担当者なら確認できます。"),
        ("xx", "I can't read files. A person can."),
    ],
)
def test_the_ai_says_truly_that_it_cannot_read_files(cast: Cast, language: str, sentence: str) -> None:
    with cast.inside():
        conversation = _with_ai(cast, language)
        for name in ("a.png", "b.png"):
            actions.send_file_as_visitor(conversation_id=conversation.pk, upload=Upload(name, PNG, uuid4()))
        assert _texts(conversation) == [
            ("visitor", "file", "a.png"),
            ("ai", "text", sentence),
            ("visitor", "file", "b.png"),  # said once for files that come together
        ]
        assert conversation.messages.get(sender="ai").data["outcome"] == "unknown"  # which offers a person
        assert not Turn.objects.filter(conversation=conversation).exists()
        assert Due.objects.filter(schema=cast.schema, kind="episodes").exists()
        text = actions.Draft("Where is my order?", uuid4())
        actions.post_as_visitor(conversation_id=conversation.pk, draft=text)
        actions.send_file_as_visitor(conversation_id=conversation.pk, upload=Upload("c.png", PNG, uuid4()))
        assert _texts(conversation)[-1] == ("ai", "text", sentence)


def test_a_person_is_left_to_answer_a_file(cast: Cast) -> None:
    with cast.inside():
        for _ in range(2):
            actions.send_file_as_visitor(conversation_id=cast.thread.conversation_id, upload=Upload("a.png", PNG))
            claimed(cast)
        log = Message.objects.filter(conversation=cast.thread.conversation_id, seq__gt=cast.thread.last_seq)
        assert list(log.order_by("seq").values_list("sender", "kind")) == [
            ("visitor", "file"),
            ("agent", "event"),
            ("visitor", "file"),
        ]


def test_a_file_after_the_end_begins_anew(cast: Cast) -> None:
    with cast.inside():
        claimed(cast)
        actions.resolve_conversation(conversation_id=cast.thread.conversation_id, seat=cast.agent.seat)
        actions.send_file_as_visitor(conversation_id=cast.thread.conversation_id, upload=Upload("a.png", PNG))
        episodes = Episode.objects.filter(conversation=cast.thread.conversation_id)
        assert (episodes.count(), episodes.filter(ended_at=None).count()) == (2, 1)


# -- and away ----------------------------------------------------------------------------------------------------------


def test_a_removed_file_is_gone_everywhere(cast: Cast, on_commit: OnCommit) -> None:
    send(cast, "passport.png", files.picture("PNG"))
    row = newest(cast)
    assert row.key.removeprefix(f"tenant/{cast.tenant_id}/") in stored(cast)
    with on_commit():
        erased = cast.run(actions.remove_attachment, attachment_id=row.pk)
    assert row.key.removeprefix(f"tenant/{cast.tenant_id}/") not in stored(cast)
    assert (erased.event, erased.target) == ("erased", row.message.seq)
    conversation = cast.run(Conversation.objects.get, pk=cast.thread.conversation_id)
    entries = cast.run(delivery.entries, conversation, audience="visitor")
    assert "passport" not in json.dumps(entries)
    assert fetch(cast, row.pk).status_code == 404
    assert cast.client(cast.owner).get(f"/live/attachment/{row.pk}/").status_code == 404
    page = cast.client(cast.owner).get(f"/live/c/{cast.thread.conversation_id}/").content.decode()
    assert "passport" not in page
    assert str(row.pk) not in page
    with pytest.raises(UnknownAttachment):
        cast.run(actions.remove_attachment, attachment_id=row.pk)


def test_a_removal_that_is_not_committed_keeps_the_bytes(cast: Cast) -> None:
    send(cast, "keep.png", files.picture("PNG"))
    row = newest(cast)
    cast.run(actions.remove_attachment, attachment_id=row.pk)
    assert row.key.removeprefix(f"tenant/{cast.tenant_id}/") in stored(cast)


def test_bytes_that_the_storage_lost_are_a_file_that_is_not_there(cast: Cast) -> None:
    send(cast, "lost.png", files.picture("PNG"))
    row = newest(cast)
    attachments.drop(row.key)
    assert (fetch(cast, row.pk).status_code, fetch(cast, row.pk).json()["code"]) == (404, "unknown_attachment")


def test_a_child_that_dies_is_a_broken_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments.sys, "executable", "/bin/false")
    with pytest.raises(FileBroken):
        attachments.check(Upload("a.png", PNG))


def test_a_type_needs_both_its_bytes_and_its_ending() -> None:
    for name, (media_type, data) in GOOD.items():
        assert attachments.type_of(name, data) == media_type
        with pytest.raises(FileTypeRefused):
            attachments.type_of(name + "x", data)
