"""Answers without a model: the sentences that answer, quoted whole, in order, with their source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from knowledge import embed
from knowledge.answers.phrases import phrase
from knowledge.answers.question import Delta, Outcome, Question
from knowledge.evidence import Passage
from knowledge.sentences import is_complete, split

# On the development sets of `confidence`, .30 lets 88 % of the answerable questions through and turns away 70 % of
# those whose page is missing.
UNKNOWN_BELOW = 0.3
_NEAR = 0.02  # passages this close to the best one may answer as well
_OWN_LANGUAGE_NEAR = 0.06  # a page in the visitor's language may be this much worse and still goes first
_MAX_LINES = 14
_MAX_SENTENCES = 3
_MAX_STEPS = 6
_MAX_ITEMS = 4
_SWITCH = 0.03  # a lesser passage's line must be this much better: long lines score high wherever they stand
_LONG_CHARACTERS = 420
_MARKER = re.compile(r"^(?:- |(\d+)\. )")
_ROW = re.compile(r"^([^:;]{1,60}): [^;]+(?:; [^:;]{1,60}: [^;]+)+$")
_ROW_LEAD = 0.012  # a row this much better than the next was asked for by name
_UNSPACED = frozenset({"zh", "ja"})
# Openings that lean on the sentence before; quoted alone they would hang in the air.
_LEANS = re.compile(
    r"^(it|they|this|these|those|that|he|she|then|otherwise|however|also|but|and|so|if so|if not|er|sie|es|dies\w*|das|"
    r"dann|sonst|aber|auch|esto|eso|ello|también|pero|il|elle|ils|cela|ce|ceci|sinon|mais|isto|isso|também|mas|questo|"
    r"anche|ma|dit|deze|dat|ook|maar|это|они|также|но)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Line:
    """One line of a passage: a paragraph, a list item or a table row."""

    passage: int  # index into the question's passages
    index: int
    text: str
    score: float


def answer(question: Question) -> Iterator[Delta]:
    """Quote at most three sentences (or one list) that answer, or say that the pages do not.

    Passages in the visitor's language come first; without any, the page is quoted as it is, under one
    sentence in the visitor's language.
    """
    chosen = _choose_passages(question)
    if question.confidence < UNKNOWN_BELOW or not chosen:
        text = phrase(question.language, "unknown")
        yield text
        yield Outcome("unknown", text)
        return
    best = question.passages[chosen[0]]
    parts: list[str] = []
    if question.language and best.language and best.language != question.language:
        parts.append(phrase(question.language, "other") + "\n\n")
        yield parts[-1]
    cited: list[int] = []
    for number, quote in _quotes(question, chosen):
        parts.append(("\n\n" if cited else "") + f"{quote} [{number}]")
        cited.append(number)
        yield parts[-1]
    yield Outcome("reply", "".join(parts), tuple(dict.fromkeys(cited)))


def _choose_passages(question: Question) -> list[int]:
    """Indexes of the passages to quote from: near the best, all in one language, the visitor's if possible."""
    passages = question.passages
    if not passages:
        return []
    top = passages[0].score
    own = [i for i, p in enumerate(passages) if p.language == question.language and p.score > top - _OWN_LANGUAGE_NEAR]
    lead = own[0] if question.language and own else 0
    language, score = passages[lead].language, passages[lead].score
    return [i for i, p in enumerate(passages) if i >= lead and p.language == language and p.score > score - _NEAR][:3]


def _quotes(question: Question, chosen: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(passage number from 1, quote) in document order; a second passage only where it answers as well."""
    lines = [line for index in chosen for line in _scored(question, index)]
    if not lines:
        return
    best = max(lines, key=lambda line: line.score - (_SWITCH if line.passage != chosen[0] else 0))
    quotes = [(best.passage, _quote(question, best))]
    others = [line for line in lines if line.passage != best.passage]
    second = max(others, key=lambda line: line.score, default=None)
    if second and _adds(question, second, best) and len(split(quotes[0][1])) < _MAX_SENTENCES:
        quotes.append((second.passage, _first_sentence(question, second)))
    same_page = len({question.passages[index].document_id for index, _ in quotes}) == 1
    if same_page:
        quotes.sort(key=lambda quote: question.passages[quote[0]].chunk_id)
    for index, quote in quotes:
        yield index + 1, quote


def _adds(question: Question, second: _Line, best: _Line) -> bool:
    """Whether a line of another passage is as good as the best and says something else."""
    if second.score < best.score - 0.004 or _MARKER.match(second.text) or not is_complete(second.text):
        return False
    return _overlap(second.text, best.text) < 0.5


def _scored(question: Question, index: int) -> list[_Line]:
    """The lines of a passage with how well each answers: mostly meaning, a little shared wording."""
    passage = question.passages[index]
    asked = _asked(question)
    texts = [(n, text) for n, text in enumerate(passage.text.split("\n")) if text.strip()]
    texts = sorted(texts, key=lambda line: -_overlap(question.text, line[1]))[:_MAX_LINES]
    lines = []
    for n, text in texts:
        meaning = float(asked @ embed.embed_passage(_in_context(passage, text)[:600]))
        # Answers tend to stand first under a heading that is the question.
        score = 0.5 * passage.score + 0.5 * meaning + 0.04 * _overlap(question.text, text) + (0.008 if n == 0 else 0)
        lines.append(_Line(index, n, text, score))
    return lines


def _asked(question: Question) -> embed.Vector:
    """What was asked: a question that leans on others counts as much as it does with them."""
    own = embed.embed_query(question.text)
    return (own + embed.embed_query(question.context)) * np.float32(0.5) if question.context else own


def _in_context(passage: Passage, text: str) -> str:
    """A line as it is compared: items and rows mean little without the heading that they stand under."""
    is_part = _MARKER.match(text) or len(text) < 60
    return f"{_last_heading(passage)}: {_bare(text)}" if is_part and _last_heading(passage) else text


def _last_heading(passage: Passage) -> str:
    return passage.heading.rpartition(" > ")[2]


def _quote(question: Question, line: _Line) -> str:
    passage = question.passages[line.passage]
    lines = [text for text in passage.text.split("\n") if text.strip()]
    position = lines.index(line.text)
    introduces = line.text.rstrip().endswith((":", "：")) and position + 1 < len(lines)
    if introduces and _MARKER.match(lines[position + 1]):
        position += 1
    if _MARKER.match(lines[position]):
        return _list(question, lines, position, passage)
    if _ROW.match(line.text):
        return _rows(question, lines, line.text, passage)
    return _paragraph(question, line.text, passage)


def _paragraph(question: Question, text: str, passage: Passage) -> str:
    """A short paragraph whole; of a long one the sentence that answers, with the one it leans on."""
    sentences = split(text)
    if len(sentences) <= _MAX_SENTENCES and len(text) <= _LONG_CHARACTERS:
        return _ended(text, passage.language)
    best = max(range(min(len(sentences), _MAX_LINES)), key=lambda index: _worth(question, sentences[index]))
    start = best - 1 if best and (_LEANS.match(sentences[best]) or len(sentences[best]) < 25) else best
    end = start + 2 if len(" ".join(sentences[start : start + 2])) <= _LONG_CHARACTERS else start + 1
    joiner = "" if passage.language in _UNSPACED else " "
    return _ended(joiner.join(sentences[start : max(end, best + 1)]), passage.language)


def _first_sentence(question: Question, line: _Line) -> str:
    sentences = split(line.text)
    return _ended(sentences[0], question.passages[line.passage].language)


def _list(question: Question, lines: list[str], position: int, passage: Passage) -> str:
    """The list that a line belongs to, under its introduction or heading: steps from the first one, of a long
    list of other items the three that answer best."""
    first = last = position
    while first > 0 and _MARKER.match(lines[first - 1]):
        first -= 1
    while last + 1 < len(lines) and _MARKER.match(lines[last + 1]):
        last += 1
    items = lines[first : last + 1]
    if items[0].startswith("- "):
        items = items if len(items) <= _MAX_ITEMS else _best_items(question, items, passage)
    else:
        items = items[:_MAX_STEPS]
    ended = [_ended(item, passage.language) for item in items]
    before = split(lines[first - 1])[-1] if first > 0 else ""
    intro = before if before.endswith((":", "：")) else _heading_line(passage)
    if len(ended) == 1 and not intro:
        return _bare(ended[0])
    return "\n".join([intro, *ended] if intro else ended)


def _rows(question: Question, lines: list[str], best: str, passage: Passage) -> str:
    """The row that was asked for, or, where no row stands out, the few that answer best, in order."""
    label = _ROW.sub(r"\1", best)
    rows = [line for line in lines if _ROW.match(line) and _ROW.sub(r"\1", line) == label]
    ranked = sorted(rows[:_MAX_LINES], key=lambda row: -_worth(question, _in_context(passage, row)))
    if len(ranked) < 2 or _worth(question, _in_context(passage, ranked[0])) > _ROW_LEAD + _worth(
        question, _in_context(passage, ranked[1])
    ):
        return _ended(ranked[0] if ranked else best, passage.language)
    kept = set(ranked[:_MAX_ITEMS])
    return "\n".join("- " + _ended(row, passage.language) for row in rows if row in kept)


def _worth(question: Question, text: str) -> float:
    """How well a single line or sentence answers: meaning, and some shared wording."""
    meaning = float(_asked(question) @ embed.embed_passage(text[:600]))
    return meaning + 0.08 * _overlap(question.text, text)


def _heading_line(passage: Passage) -> str:
    heading = _last_heading(passage).rstrip(":：")
    return f"{heading}:" if heading and not is_complete(heading) else heading


def _best_items(question: Question, items: list[str], passage: Passage) -> list[str]:
    best = sorted(items[:_MAX_LINES], key=lambda item: -_worth(question, _in_context(passage, item)))[:_MAX_SENTENCES]
    return [item for item in items if item in best]


def _bare(line: str) -> str:
    return _MARKER.sub("", line)


def _ended(text: str, language: str) -> str:
    """A quote that ends like a sentence, which rows and labels do not."""
    text = text.strip()
    if is_complete(text) or text.endswith((":", "：", ";")):
        return text
    return text + ("。" if language in _UNSPACED else "।" if language in ("hi", "bn") else ".")


def _overlap(question: str, text: str) -> float:
    """Share of the question's letter triples that a text has too; 0 across scripts."""
    wanted, given = _triples(question), _triples(text)
    return len(wanted & given) / len(wanted) if wanted else 0.0


def _triples(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {f" {word} "[i : i + 3] for word in words if len(word) > 1 for i in range(len(word))}
