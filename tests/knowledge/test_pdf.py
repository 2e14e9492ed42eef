"""PDFs are read in a process of their own, and no file hurts more than itself."""

from __future__ import annotations

import io
import resource
import zlib

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, StreamObject

from knowledge.errors import ExtractFailed
from knowledge.pdf import extract_pdf, page_blocks


def make_pdf(*pages: list[str], title: str = "", password: str = "") -> bytes:
    writer = PdfWriter()
    for lines in pages:
        page = writer.add_blank_page(600, 800)
        drawn = "".join(f"BT /F1 12 Tf 50 {760 - 20 * n} Td ({line}) Tj ET\n" for n, line in enumerate(lines))
        stream = DecodedStreamObject()
        stream.set_data(drawn.encode("latin-1"))
        font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        fonts = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): fonts})}
        )
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_become_blocks_with_headings_and_page_anchors() -> None:
    data = make_pdf(
        ["Setting up", "Plug the lamp in and wait until the light", "turns green. Then press the button."],
        ["Care", "Wipe it with a dry cloth once a week."],
        title="Lamp manual",
    )
    page = extract_pdf(data, name="manual.pdf")
    assert page.title == "Lamp manual"
    assert [(b.headings, b.anchor, b.text) for b in page.blocks] == [
        (
            ("Setting up",),
            "page=1",
            "Plug the lamp in and wait until the light turns green. Then press the button.",
        ),
        (("Care",), "page=2", "Wipe it with a dry cloth once a week."),
    ]


def test_file_without_title_is_named_after_its_file() -> None:
    assert extract_pdf(make_pdf(["Hello there."]), name="manual.pdf").title == "manual.pdf"


def _bomb() -> bytes:
    """A page whose content unpacks to 600 MB, packed three times over into a few kilobytes."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf(["x"]))))
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"0 0 m " * 1_000_000) for _ in range(100)) + packer.flush()
    for _ in range(2):
        packed = zlib.compress(packed, 9)
    stream = StreamObject()
    stream._data = packed
    stream[NameObject("/Filter")] = ArrayObject([NameObject("/FlateDecode")] * 3)
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


GOOD = make_pdf(["Some text to damage."])


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", {"pdf_broken"}),
        (b"%PDF-1.7 but nothing else", {"pdf_broken"}),
        (GOOD[: len(GOOD) // 2], {"pdf_broken"}),
        (make_pdf(["secret"], password="pw"), {"pdf_locked", "pdf_broken"}),
    ],
)
def test_unreadable_file_is_an_error_on_that_file(data: bytes, codes: set[str]) -> None:
    with pytest.raises(ExtractFailed) as failure:
        extract_pdf(data, name="x.pdf")
    assert failure.value.code in codes
    assert failure.value.sentence.startswith("This PDF")


def test_bomb_ends_in_the_child() -> None:
    bomb = _bomb()
    assert len(bomb) < 50_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ExtractFailed) as failure:
        extract_pdf(bomb, name="bomb.pdf")
    assert failure.value.code in {"pdf_broken", "pdf_too_big", "pdf_timeout"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_words_broken_at_line_ends_are_joined() -> None:
    assert page_blocks("The deliv-\nery takes three days.", 1)[0].text == "The delivery takes three days."
