"""Files that people send, and files that nobody should: made here, so that every byte is known."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from tests.knowledge.test_pdf import make_pdf

SECRET = b"zqhidden"
HTML = b"<html><script>alert('zqhidden')</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
ORIENTATION, MAKE, GPS, LATITUDE = 0x0112, 0x010F, 0x8825, 2


def picture(form: str, size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    drawn = Image.new("RGB", size, (200, 30, 30))
    drawn.paste((30, 30, 200), (size[0] // 2, 0, *size))
    out = io.BytesIO()
    drawn.save(out, form, **more)
    return out.getvalue()


def _exif(**more: int) -> Image.Exif:
    told = Image.Exif()
    told[MAKE] = SECRET.decode()
    told.get_ifd(GPS)[LATITUDE] = (52.0, 31.0, 12.0)
    for key, value in more.items():
        told[{"orientation": ORIENTATION}[key]] = value
    return told


def talkative(form: str) -> bytes:
    """A picture that says where, with what and by whom it was made, and has a page of HTML behind its end."""
    told: dict[str, Any] = {
        "JPEG": {"exif": _exif(), "comment": SECRET, "icc_profile": SECRET * 20},
        "WEBP": {"exif": _exif(), "xmp": SECRET * 4, "icc_profile": SECRET * 20},
        "GIF": {"comment": SECRET},
        "PNG": {"exif": _exif(), "pnginfo": _notes()},
    }
    return picture(form, **told[form]) + HTML


def _notes() -> PngInfo:
    notes = PngInfo()
    notes.add_text("Author", SECRET.decode())
    notes.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return notes


def turned() -> bytes:
    """60 by 40, and a note that it is to be shown a quarter turned."""
    return picture("JPEG", exif=_exif(orientation=6))


def moving(frames: int = 5, size: tuple[int, int] = (40, 30), form: str = "GIF") -> bytes:
    drawn = [Image.new("RGB", size, (40 * n % 256, 90, 160)) for n in range(frames)]
    out = io.BytesIO()
    drawn[0].save(out, form, save_all=True, append_images=drawn[1:], duration=80, loop=0)
    return out.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that say they unpack to width x height points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _pdf(change: Any) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf(["Hello there."]))))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _flate(layers: int, megabytes: int) -> Any:
    def change(writer: PdfWriter) -> None:
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()
        for _ in range(layers - 1):
            packed = zlib.compress(packed, 9)
        stream = StreamObject()
        stream._data = packed
        stream[NameObject("/Filter")] = ArrayObject([NameObject("/FlateDecode")] * layers)
        writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)

    return change


def _loop(writer: PdfWriter) -> None:
    tree = writer.pages[0]["/Parent"]
    kids = tree.raw_get("/Kids")
    kids.append(writer.pages[0].raw_get("/Parent"))
    tree[NameObject("/Count")] = NumberObject(1000)


def _inline_image(writer: PdfWriter) -> None:
    stream = DecodedStreamObject()
    stream.set_data(b"BI /W 10 /H 10 /BPC 8 /CS /G ID " + bytes(200))
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)


def _actions(writer: PdfWriter) -> None:
    writer.add_attachment("evil.exe", b"MZ")
    launch = _dictionary({"/S": "/Launch", "/F": "/bin/sh"})
    launch[NameObject("/Next")] = _dictionary({"/S": "/JavaScript", "/JS": "app.alert('zq');"})
    writer._root_object[NameObject("/OpenAction")] = launch
    writer.pages[0][NameObject("/AA")] = DictionaryObject(
        {NameObject("/O"): _dictionary({"/S": "/URI", "/URI": "file:///etc/passwd"})}
    )


def _dictionary(given: dict[str, str]) -> DictionaryObject:
    return DictionaryObject(
        {NameObject(k): NameObject(v) if k == "/S" else TextStringObject(v) for k, v in given.items()}
    )


def _xfa(writer: PdfWriter) -> None:
    form = DecodedStreamObject()
    form.set_data(b'<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]><xdp>&e;</xdp>')
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/XFA"): writer._add_object(form)})


def of_record(gen: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each file that a record of tests/data/security/uploads.jsonl asks for."""
    good = make_pdf(["Hello there."])
    name = str(gen.get("name", "x.pdf"))
    if "bytes" in gen:
        yield name, str(gen["bytes"]).encode()
    elif "polyglot" in gen:
        yield "fake.pdf", b"%PDF-1.7\n" + HTML
        yield "both.pdf", good + HTML
    elif "size" in gen:
        yield name, b"%PDF-1.7\n".ljust(min(int(gen["size"]), 11 * 1024 * 1024), b"\0")[: int(gen["size"])]
    elif "flate" in gen:
        yield name, _pdf(_flate(3, 200))
    elif "filters" in gen:
        yield name, _pdf(_flate(len(gen["filters"]), 100))
    elif "truncate" in gen:
        yield from ((name, good[: len(good) * n // int(gen["truncate"])]) for n in range(int(gen["truncate"])))
    elif "flip" in gen:
        yield from ((name, one) for one in _flipped(int(gen["flip"])))
    elif "loop" in gen:
        yield name, _pdf(_loop)
    elif "truncated_inline_image" in gen:
        yield name, _pdf(_inline_image)
    elif "actions" in gen:
        yield name, _pdf(_actions)
    elif "xfa_xxe" in gen:
        yield name, _pdf(_xfa)
    else:
        yield name, good


def _flipped(count: int) -> Iterator[bytes]:
    dice = random.Random(206)
    goods = [make_pdf([text]) for text in ("One.", "Two pages.", "Third file, a little longer.")]
    for n in range(count):
        data = bytearray(goods[n % len(goods)])
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(8, len(data))] ^= 1 << dice.randrange(8)
        yield bytes(data)
