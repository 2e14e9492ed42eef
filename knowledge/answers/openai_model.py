"""Answers by a language model behind any OpenAI-compatible endpoint. The only file that imports its client."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import openai
from django.conf import settings

from knowledge.answers.breaker import breaker_of
from knowledge.answers.phrases import phrase
from knowledge.answers.prompt import HUMAN_TOOL, TOOLS, UNKNOWN_TOOL, messages
from knowledge.answers.question import Delta, Model, Outcome, Patience, Question
from knowledge.errors import FetchFailed, FetchRefused, ModelError
from knowledge.fetch import Fetcher
from knowledge.targets import parse

_MAX_CHARACTERS = 8000
_MAX_BYTES = 4 * 1024 * 1024  # of an answer's events; the envelope of each word has some hundred
_TICK_SECONDS = 1.0
_PROBE_SECONDS = 5.0  # for the first words of an endpoint that failed before
_CITATION = re.compile(r"\[(\d{1,2})\]")


@dataclass(frozen=True)
class _Piece:
    """One event of the stream, reduced to what we use."""

    text: str = ""
    tool: str = ""
    finish: str = ""


_WAITING = _Piece()


def answer(question: Question, *, patience: Patience | None = None) -> Iterator[Delta]:
    """Stream the model's words, then the Outcome; an empty text each second that it is waited for. No retries: the
    visitor is waiting.

    Raises ModelError for an endpoint that refuses, breaks, stalls, or says nothing; words may have been
    streamed before. While its endpoint rests nothing is asked. A call of `request_human` ends the stream with the
    outcome `handoff`.
    """
    model, patience = question.model, patience or Patience()
    if model is None:
        raise ModelError("model_missing", "No language model is set for this project.")
    breaker = breaker_of(model)
    if breaker.admit():
        patience = replace(patience, first=min(patience.first, _PROBE_SECONDS))
    has_spoken = has_ended = False
    try:
        _check_endpoint(model)
        for piece in _answer(question, patience):
            has_ended = isinstance(piece, Outcome)
            if piece and not has_spoken:
                has_spoken = True
                breaker.spoke()
            yield piece
    except ModelError as error:
        has_ended = True
        breaker.failed(error)
        raise
    finally:
        if not has_ended:
            breaker.left()


def _answer(question: Question, patience: Patience) -> Iterator[Delta]:
    text = ""
    finish = ""
    for piece in _patiently(_Call(question, patience), patience):
        if piece.tool == HUMAN_TOOL:
            yield Outcome("handoff", text, _citations(text, len(question.passages)))
            return
        if piece.tool == UNKNOWN_TOOL and not text:
            text = phrase(question.language, "unknown")
            yield text
            yield Outcome("unknown", text)
            return
        finish = piece.finish or finish
        if piece.text or piece == _WAITING:
            text += piece.text
            yield piece.text
        if len(text) > _MAX_CHARACTERS:
            finish = "length"
            break
    _check_end(text, finish)
    yield Outcome("reply", text, _citations(text, len(question.passages)))


def _check_end(text: str, finish: str) -> None:
    if finish == "content_filter":
        raise ModelError("model_filtered", "The language model refused to answer.")
    if not finish:
        raise ModelError("model_cut", "The language model broke off.", retryable=True)
    if not text.strip():
        raise ModelError("model_empty", "The language model said nothing.", retryable=True)


def _citations(text: str, passages: int) -> tuple[int, ...]:
    numbers = (int(number) for number in _CITATION.findall(text))
    return tuple(dict.fromkeys(number for number in numbers if 1 <= number <= passages))


def _check_endpoint(model: Model) -> None:
    """An endpoint that a tenant typed is a customer's URL: it must not lead into our own network."""
    if model.is_operators or not model.base_url:
        return
    fetcher = Fetcher(allow_private=settings.CRAWL_ALLOW_PRIVATE)
    try:
        fetcher.addresses(parse(model.base_url, allow_private=fetcher.allow_private))
    except (FetchRefused, FetchFailed) as error:
        raise ModelError("model_refused", f"The model's address cannot be used: {error.sentence}") from None


def _patiently(call: _Call, patience: Patience) -> Iterator[_Piece]:
    """The call's pieces, each waited for no longer than patience says, with a sign of life each second. An endpoint
    that sends bytes without words for ever would outlive every socket timeout; this clock only counts words."""
    ends_at = time.monotonic() + patience.total
    wait = patience.first
    call.start()
    try:
        while True:
            due_at = min(time.monotonic() + wait, ends_at)
            while (piece := call.next(min(due_at, time.monotonic() + _TICK_SECONDS))) == _WAITING:
                if time.monotonic() >= due_at:
                    raise ModelError("model_timeout", "The language model took too long.", retryable=True)
                yield piece
            if piece is None:
                return
            yield piece
            wait = patience.between
    finally:
        call.stop()


class _Call(threading.Thread):
    """One streaming request on a thread of its own, which hands over pieces, then None or its error."""

    def __init__(self, question: Question, patience: Patience) -> None:
        super().__init__(name="model-call", daemon=True)
        self._question = question
        self._patience = patience
        self._pieces: queue.Queue[_Piece | ModelError | None] = queue.Queue(maxsize=200)
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            with _client(self._question.model, self._patience) as client:
                self._read(client)
            self._put(None)
        except openai.OpenAIError as error:
            self._put(_translated(error))
        # Not JSON, or JSON of another shape than the client's types promise.
        except (ValueError, TypeError, AttributeError, LookupError):
            self._put(ModelError("model_garbled", "The language model answered with something unreadable."))

    def next(self, due_at: float) -> _Piece | None:
        """The next piece, None at the end, or `_WAITING` when there is none by `due_at`. Raises ModelError."""
        try:
            piece = self._pieces.get(timeout=max(0.0, due_at - time.monotonic()))
        except queue.Empty:
            return _WAITING
        if isinstance(piece, ModelError):
            raise piece
        return piece

    def stop(self) -> None:
        self._stopped.set()

    def _put(self, piece: _Piece | ModelError | None) -> None:
        while not self._stopped.is_set():
            try:
                return self._pieces.put(piece, timeout=0.5)
            except queue.Full:
                continue

    def _read(self, client: openai.OpenAI) -> None:
        model = self._question.model
        arguments: Any = {"messages": messages(self._question), "tools": TOOLS, "stream": True}
        with client.chat.completions.create(model=model.name if model else "", **arguments) as stream:
            for event in stream:
                if self._stopped.is_set():
                    return
                for piece in _pieces(event):
                    self._put(piece)


class _TooMuch(ValueError):
    """The endpoint sends more than any answer has."""


class _Bounded(httpx2.SyncByteStream):
    """A response's body up to a limit: one event without end would fill the memory before it is a word."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        left = _MAX_BYTES
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise _TooMuch
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _bound(response: httpx2.Response) -> None:
    """Bodies come as they are: a few compressed bytes may unfold into more than there is room for."""
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise _TooMuch
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Bounded(response.stream)


def _pieces(event: Any) -> Iterator[_Piece]:
    for choice in (event.choices or [])[:1]:
        if choice.delta and choice.delta.content:
            yield _Piece(text=choice.delta.content)
        for call in (choice.delta and choice.delta.tool_calls) or []:
            if call.function and call.function.name:
                yield _Piece(tool=call.function.name)
        if choice.finish_reason:
            yield _Piece(finish=choice.finish_reason)


def _client(model: Model | None, patience: Patience) -> openai.OpenAI:
    timeout = openai.Timeout(patience.total, connect=patience.connect, read=patience.first)
    return openai.OpenAI(
        api_key=(model.key if model else "") or "none",
        base_url=(model.base_url if model else "") or None,
        timeout=timeout,
        max_retries=0,
        # A redirect could lead where the endpoint itself may not.
        http_client=openai.DefaultHttpx2Client(
            follow_redirects=False,
            trust_env=False,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [_bound]},
        ),
    )


def _translated(error: openai.OpenAIError) -> ModelError:
    """The client's errors in our words; nothing of the endpoint's own text, which may hold anything."""
    if isinstance(error, openai.APITimeoutError):
        return ModelError("model_timeout", "The language model took too long.", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        return ModelError("model_unreachable", "The language model cannot be reached.", retryable=True)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ModelError("model_key", "The language model does not accept our key.")
    if isinstance(error, openai.RateLimitError):
        asked = _seconds(error.response.headers.get("retry-after"))
        return ModelError("model_busy", "The language model has too much to do.", retryable=True, after_seconds=asked)
    if isinstance(error, openai.APIStatusError):
        is_theirs = error.status_code >= 500
        return ModelError("model_error", "The language model answered with an error.", retryable=is_theirs)
    return ModelError("model_broken", "The language model broke off with an error.", retryable=True)


def _seconds(header: str | None) -> float | None:
    """A Retry-After in seconds; a date, or nonsense, is none."""
    return float(header) if header and header.isascii() and header.isdigit() else None
