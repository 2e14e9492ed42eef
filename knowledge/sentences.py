"""Splitting prose into sentences, in scripts with and without spaces."""

from __future__ import annotations

import re

# Full stops that never stand inside a word need no space after them.
_UNSPACED = "。！？｡؟।॥።"
_SPACED = ".!?…։"
_CLOSERS = "\"'”’»)\\]）」』】"
_END = re.compile(rf"(?<=[{_UNSPACED}])[{_CLOSERS}]*(?![{_UNSPACED}{_CLOSERS}])|(?<=[{_SPACED}])[{_CLOSERS}]*\s+(?=\S)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-zÀ-ž]|e\.g|i\.e|etc|vs|no|nr|art|ca|approx|incl|excl|mr|mrs|ms|dr|st|z\.\s?b|d\.\s?h|bzw|ggf"
    r"|p\.\s?ex|av|núm|tel|min|max|т\.\s?е|т\.\s?д)\.$",
    re.IGNORECASE,
)


def split(text: str) -> list[str]:
    """The sentences of one paragraph, in order, stripped, none empty. Line breaks end sentences too.

    A stop after a known abbreviation or a single letter, or before a lower-case Latin letter, ends nothing:
    cutting a sentence in two reads worse than leaving two together.
    """
    sentences: list[str] = []
    for line in text.splitlines():
        start = 0
        for end in _END.finditer(line):
            head, tail = line[start : end.end()], line[end.end() :]
            if _ABBREVIATION.search(head.rstrip()) or (tail[:1].islower() and head.rstrip()[-1:] == "."):
                continue
            sentences.append(head.strip())
            start = end.end()
        sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def is_complete(sentence: str) -> bool:
    """Whether a text reads as a sentence of its own: it ends like one, and it is more than a label."""
    return bool(re.search(rf"[{_UNSPACED}{_SPACED}][{_CLOSERS}]*$", sentence))
