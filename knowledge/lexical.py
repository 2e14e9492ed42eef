"""Words as a search index sees them: pieces of words, whole identifiers, and how rare each is. Pure.

Character 4-grams, and pairs of characters where a script writes no spaces, need neither a stemmer nor a language
and find as well as stemmed words in most languages, better in German, Arabic, Turkish and Russian.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from zlib import crc32

_GRAM = 4
_MAX_CHARACTERS = 6000
# Runs without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han, Hangul.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+"
)
# What people copy out of a screen or off a label: E-4012, ERR_TIMEOUT, config.yaml, maxRetries, 0x80070005, SKU12345.
_IDENTIFIER = re.compile(r"(?<![\w.-])(?=\w*[^\W\d_])[\w][\w.:/#-]*\w(?![\w-])")
_HAS_MARK = re.compile(r"\w[_.:/#]\w|\d[\w-]*[^\W\d_]|[^\W\d_]-?[\w-]*\d|[a-z][A-Z]")
_DOTTED_WORDS = re.compile(r"^[^\W\d_]+(?:[./:#-][^\W\d_]+)*$")
_MAX_IDENTIFIER = 60


def terms(text: str) -> Counter[int]:
    """How often each piece of a text's words occurs, and each of its identifiers, by their 32-bit hashes."""
    text = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS])
    found = Counter(piece for word in _words(text.casefold()) for piece in _pieces(word))
    found.update(_marked(identifier) for identifier in identifiers(text))
    return Counter({_hash(piece): count for piece, count in found.items()})


def prose_terms(question: str) -> list[int]:
    """The hashes of a question's pieces of words, each once."""
    text = unicodedata.normalize("NFKC", question[:_MAX_CHARACTERS]).casefold()
    return sorted({_hash(piece) for word in _words(text) for piece in _pieces(word)})


def identifier_terms(question: str) -> list[int]:
    """The hashes of a question's identifiers, each once."""
    text = unicodedata.normalize("NFKC", question[:_MAX_CHARACTERS])
    return sorted({_hash(_marked(identifier)) for identifier in identifiers(text)})


def identifiers(text: str) -> list[str]:
    """What in a text is a name by itself, in lower case: an error code, a setting, a part number, a file.

    A word is one if letters and digits, an inner capital or an inner mark are in it; a web address's host, or two
    words with a stroke between them, is not.
    """
    found = []
    for match in _IDENTIFIER.finditer(text):
        word = match.group().strip(".:/#-")
        if len(word) <= _MAX_IDENTIFIER and _HAS_MARK.search(word) and not _is_prose(word):
            found.append(word.casefold())
    return found


def _is_prose(word: str) -> bool:
    return bool("://" in word or ("/" in word and _DOTTED_WORDS.match(word)))


def _words(text: str) -> list[str]:
    kept = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return kept.split()


def _pieces(word: str) -> list[str]:
    pieces, end = [], 0
    for run in _UNSPACED.finditer(word):
        pieces += _grams(word[end : run.start()])
        pieces += [run.group()[i : i + 2] for i in range(len(run.group()) - 1)] or [run.group()]
        end = run.end()
    return pieces + _grams(word[end:])


def _grams(word: str) -> list[str]:
    if not word:
        return []
    framed = f" {word} "
    return [framed[i : i + _GRAM] for i in range(max(1, len(framed) - _GRAM + 1))]


def _marked(identifier: str) -> str:
    return f"={identifier}"


def _hash(piece: str) -> int:
    """A signed 32-bit number, as Postgres's `integer` holds it. Two pieces that share one are scored as one."""
    number = crc32(piece.encode())
    return number - (1 << 32) if number >= 1 << 31 else number
