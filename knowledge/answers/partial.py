"""Reading one JSON object while it still arrives, so that its text can be shown before its end. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_SPACE = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": ""}
_MOST_CHARACTERS = 20_000  # of one value that is no text for the visitor
_THINKS, _HAS_THOUGHT = "<think>", "</think>"


class PartialObject:
    """`feed` it what came; `values` holds what is complete, `text` the beginning of the string under `streamed`.

    Whatever stands before the first brace is left out: a code fence, or what a model thinks aloud. A line break inside
    a string is taken as meant. `is_broken` says that this is no JSON object; what was read until then stays.
    """

    def __init__(self, streamed: str) -> None:
        self.values: dict[str, Any] = {}
        self.text = ""
        self.is_done = self.is_broken = self.has_begun = False
        self._streamed = streamed
        self._before = self._raw = self._key = self._escape = ""
        self._depth = 0
        self._in_string = self._is_escaped = False
        self._step: Callable[[str], None] = self._start

    def feed(self, chunk: str) -> None:
        for sign in chunk:
            if self.is_done or self.is_broken:
                return
            self._step(sign)

    def _start(self, sign: str) -> None:
        self._before = (self._before + sign)[-_MOST_CHARACTERS:]
        if sign == "{" and self._before.count(_THINKS) <= self._before.count(_HAS_THOUGHT):
            self.has_begun = True
            self._step = self._key_or_end

    def _key_or_end(self, sign: str) -> None:
        if sign == "}":
            self.is_done = True
        elif sign == '"':
            self._raw, self._step = "", self._in_key
        elif sign not in _SPACE + ",":
            self.is_broken = True

    def _in_key(self, sign: str) -> None:
        if sign == '"':
            self._key, self._step = self._raw, self._colon
        else:
            self._raw += sign
            self.is_broken = len(self._raw) > 200

    def _colon(self, sign: str) -> None:
        if sign == ":":
            self._step = self._begin
        elif sign not in _SPACE:
            self.is_broken = True

    def _begin(self, sign: str) -> None:
        if sign in _SPACE:
            return
        self._raw, self._depth, self._in_string, self._is_escaped = "", 0, False, False
        if sign == '"' and self._key == self._streamed:
            self._escape, self.text, self._step = "", "", self._in_text
            return
        self._step = self._in_value
        self._in_value(sign)

    def _in_text(self, sign: str) -> None:
        if self._escape:
            self._escape += sign
            self._unescape()
        elif sign == "\\":
            self._escape = sign
        elif sign == '"':
            self.values[self._key] = self.text
            self._step = self._key_or_end
        else:
            self.text += sign

    def _unescape(self) -> None:
        """One escape of the text, when it is complete; of a pair of surrogates both halves."""
        escape = self._escape
        if escape[1] != "u":
            self.text += _ESCAPES.get(escape[1], escape[1])
        elif len(escape) < 6 or (escape[2:4].lower() in ("d8", "d9", "da", "db") and len(escape) < 12):
            return
        else:
            try:
                # Half of a pair alone is no character that could be stored or sent.
                self.text += str(json.loads(f'"{escape}"')).encode("utf-8", "ignore").decode()
            except ValueError:
                self.is_broken = True
        self._escape = ""

    def _in_value(self, sign: str) -> None:
        if not self._in_string and self._depth == 0 and sign in ",}" and self._raw:
            return self._end_value(sign)
        self._raw += sign
        if self._in_string:
            self._in_string = self._is_escaped or sign != '"'
            self._is_escaped = sign == "\\" and not self._is_escaped
        elif sign == '"':
            self._in_string = True
        elif sign in "[{":
            self._depth += 1
        elif sign in "]}":
            self._depth -= 1
        self.is_broken = len(self._raw) > _MOST_CHARACTERS or self._depth < 0
        return None

    def _end_value(self, sign: str) -> None:
        try:
            self.values[self._key] = json.loads(self._raw, strict=False)
        except ValueError:
            self.is_broken = True
        self._step = self._key_or_end
        self._key_or_end(sign)
