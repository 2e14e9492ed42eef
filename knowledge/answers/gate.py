"""What of a model's text is shown, sentence by sentence: what stands on a verified quote. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from knowledge.answers.guards import Ground, cleaned, verdict

_LONGEST_WAIT = 1200  # characters without a source; then no more is read
_MOST_CHARACTERS = 4000
_NUMBERS = r"(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)"
_CITED = re.compile(rf"[ \t]*(?:\[\s*{_NUMBERS}\s*\](?:\([^)\n]*\))?|【\s*{_NUMBERS}[^】\n]{{0,20}}】)")
_CLOSERS = "\"'”’»)）」』】*"
# A sentence ends where the next begins, so that its citation, which may follow its stop, is seen with it.
_END = re.compile(
    rf"(?:[.!?…։][{_CLOSERS}]*(?:\s*[\[【]\d[^\]】\n]*[\]】])*[ \t]+(?=[^\s\[【])"
    rf"|[。！？｡؟।॥][{_CLOSERS}]*(?:[ \t]*[\[【]\d[^\]】\n]*[\]】])*[ \t]*(?=[^\s\[【{_CLOSERS}])"
    r"|(?:[\]】])[.!?。][ \t]+(?=\S)|\n)"
)
_INTRODUCES = re.compile(r"[:：]\s*$")
_MARK = re.compile(r"\s*\d{1,2}\.[ \t]")
_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")


class Gate:
    """Takes text as it comes and gives back what may be shown of it.

    A sentence is shown when it, or a later one of its paragraph, cites a passage whose quote was verified; the items of
    a list, when the line that introduces it does. All other sentences are left out, and so are citations of other
    passages. `is_shut` says that a sentence was met that makes the whole answer untrustworthy.
    """

    def __init__(self, ground: Ground, numbers: Iterable[int]) -> None:
        self.said = ""
        self.citations: tuple[int, ...] = ()
        self.is_shut = self.is_full = False
        self._ground = ground
        self._numbers = frozenset(numbers)
        self._buffer = ""  # the sentence that is still written
        self._waiting = ""  # whole sentences of the paragraph that have no source yet
        self._introduced = False
        self._gap = ""  # between what was shown and what comes next

    def feed(self, text: str) -> str:
        """The next text; what may be shown now, maybe nothing."""
        self._buffer += text
        return self._show(self._whole())

    def finish(self) -> str:
        """There is no more text."""
        last, self._buffer = self._buffer, ""
        return self._show([last] if last.strip() else [])

    def _whole(self) -> Iterator[str]:
        start = 0
        while (end := _END.search(self._buffer, start)) is not None:
            sentence, start = self._buffer[: end.end()], end.end()
            if not _MARK.fullmatch(sentence):
                self._buffer, start = self._buffer[start:], 0
                yield sentence
        self.is_full = self.is_full or len(self._buffer) + len(self._waiting) > _LONGEST_WAIT

    def _show(self, sentences: Iterable[str]) -> str:
        before = len(self.said)
        for sentence in sentences:
            self.is_full = self.is_full or max(len(sentence), len(self._waiting)) > _LONGEST_WAIT
            if not self.is_shut and not self.is_full:
                self._take(sentence)
        return self.said[before:]

    def _take(self, sentence: str) -> None:
        if not sentence.strip():
            self._waiting, self._introduced = "", False  # a new paragraph
            self._gap = "\n\n"
            return
        text, numbers = self._read(sentence)
        is_shown = bool(numbers) or (self._introduced and _ITEM.match(text) is not None)
        # Together with those before it, as it would be shown; else alone, so that each is read twice at most.
        judged = verdict(_CITED.sub("", self._waiting + text if is_shown else text), self._ground)
        if judged == "stop":
            self.is_shut = True
        elif judged == "drop":
            self._waiting = ""
            self._gap = self._gap if "\n" in self._gap else _space_after(text) or self._gap
        elif is_shown:
            self._release(self._waiting + text, numbers)
            self._introduced = self._introduced or bool(_INTRODUCES.search(_CITED.sub("", text)))
        else:
            self._waiting += text

    def _read(self, sentence: str) -> tuple[str, list[int]]:
        """A sentence with verified citations only, in one form, and their numbers."""
        found: list[int] = []

        def own(mark: re.Match[str]) -> str:
            numbers = [int(number) for number in re.findall(r"\d+", mark[1] or mark[2])]
            kept = [number for number in numbers if number in self._numbers]
            found.extend(kept)
            lead = " " if mark[0][:1] in " \t" else ""
            return lead + "".join(f"[{number}]" for number in kept) if kept else ""

        text = _CITED.sub(own, sentence)
        return cleaned(text, self._ground), found

    def _release(self, text: str, numbers: list[int]) -> None:
        shown = (self._gap if self.said else "") + text.strip()
        if len(self.said) + len(shown) > _MOST_CHARACTERS:
            self.is_full = True
            return
        self.said += shown
        self.citations = tuple(dict.fromkeys((*self.citations, *numbers)))
        self._waiting, self._gap = "", _space_after(text)


def _space_after(text: str) -> str:
    space = text[len(text.rstrip()) :]
    return "\n" if "\n" in space else space
