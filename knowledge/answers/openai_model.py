"""Answers by a language model behind any OpenAI-compatible endpoint. The only file that imports its client."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import openai
from django.conf import settings

from knowledge.answers.breaker import MOST_KEPT, breaker_of
from knowledge.answers.hearing import Hearing
from knowledge.answers.prompt import TOOL_CHOICE, TOOLS, messages, rewriting, rules
from knowledge.answers.question import Delta, Model, Outcome, Patience, Question
from knowledge.errors import FetchFailed, FetchRefused, ModelError
from knowledge.fetch import Fetcher
from knowledge.targets import parse

_MAX_CHARACTERS = 16_000  # of the whole object
_PROSE_CHARACTERS = 4000  # without an object; some models think aloud first
_MAX_BYTES = 4 * 1024 * 1024  # of an answer's events; the envelope of each word has some hundred
_TICK_SECONDS = 1.0
_PROBE_SECONDS = 8.0  # for the first words of an endpoint that failed before
_REWRITE_SECONDS, _REWRITE_CHARACTERS = 2.0, 300
_TOOLLESS_SECONDS = 3600.0  # so long is an endpoint that refused tools asked without

_toolless: dict[tuple[str, str], float] = {}  # endpoint and model -> until when (monotonic); for this process


@dataclass(frozen=True)
class _Piece:
    """One event of the stream, reduced to what we use."""

    text: str = ""
    arguments: str = ""
    finish: str = ""


_WAITING = _Piece()


def answer(question: Question, *, patience: Patience | None = None) -> Iterator[Delta]:
    """Stream what the model's quotes bear out, then the Outcome; an empty text each second that it is waited for. No
    retries: the visitor is waiting.

    Raises ModelError for an endpoint that refuses, breaks, stalls, says nothing, or answers in another form than it
    was asked for; words may have been streamed before. While its endpoint rests nothing is asked.
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


def standalone(question: Question) -> str:
    """The question as one that can be searched for without what was said before; '' where the model does not say so in
    two seconds, for whatever reason. It is for searching only: nobody reads it."""
    model, patience = question.model, Patience(_REWRITE_SECONDS, _REWRITE_SECONDS, _REWRITE_SECONDS, _REWRITE_SECONDS)
    if model is None:
        return ""
    breaker, text = breaker_of(model), ""
    try:
        breaker.admit()
    except ModelError:
        return ""
    try:
        _check_endpoint(model)
        for piece in _patiently(_Call(question, patience, rewrites=True), _Clock(patience)):
            text += piece.text
            if len(text) > _REWRITE_CHARACTERS:
                return ""
    except ModelError:
        return ""
    finally:
        breaker.left()  # the answer is what tells whether the endpoint works
    return " ".join(text.split()).strip('"“”')


def _answer(question: Question, patience: Patience) -> Iterator[Delta]:
    told = rules(question, with_persona=False)
    hearing, clock = Hearing(question, told), _Clock(patience)
    read, finish, is_call = "", "", False
    for piece in _patiently(_Call(question, patience), clock):
        if piece == _WAITING:
            yield ""
            continue
        if piece.arguments and not is_call and not clock.has_spoken:
            hearing, is_call = Hearing(question, told), True  # what stood before a call was no answer
        finish = piece.finish or finish
        news = piece.arguments if is_call else piece.text
        read += news
        if shown := hearing.hear(news):
            yield shown
            clock.spoke()
        if hearing.is_over or len(read) > (_MAX_CHARACTERS if hearing.is_readable else _PROSE_CHARACTERS):
            finish = "length"
            break
    _check_end(read, finish)
    if shown := hearing.end():
        yield shown
    yield hearing.outcome


def _check_end(read: str, finish: str) -> None:
    if finish == "content_filter":
        raise ModelError("model_filtered", "The language model refused to answer.")
    if not finish:
        raise ModelError("model_cut", "The language model broke off.", retryable=True)
    if not read.strip():
        raise ModelError("model_empty", "The language model said nothing.", retryable=True)


def _check_endpoint(model: Model) -> None:
    """An endpoint that a tenant typed is a customer's URL: it must not lead into our own network."""
    if model.is_operators or not model.base_url:
        return
    fetcher = Fetcher(allow_private=settings.CRAWL_ALLOW_PRIVATE)
    try:
        fetcher.addresses(parse(model.base_url, allow_private=fetcher.allow_private))
    except (FetchRefused, FetchFailed) as error:
        raise ModelError("model_refused", f"The model's address cannot be used: {error.sentence}") from None


class _Clock:
    """Until when the next words are due. Only what the visitor may read counts: an endpoint that sends bytes without
    words for ever would outlive every socket timeout, and a model that thinks for ever every event's."""

    def __init__(self, patience: Patience) -> None:
        now = time.monotonic()
        self._between = patience.between
        self._ends_at = now + patience.total
        self.due_at = min(now + patience.first, self._ends_at)
        self.has_spoken = False

    def spoke(self) -> None:
        self.has_spoken = True
        self.due_at = min(time.monotonic() + self._between, self._ends_at)


def _patiently(call: _Call, clock: _Clock) -> Iterator[_Piece]:
    """The call's pieces, as long as the clock allows, with a sign of life each second."""
    call.start()
    shown_at = time.monotonic()
    try:
        while True:
            piece = call.next(min(clock.due_at, shown_at + _TICK_SECONDS))
            if piece is None:
                return
            now = time.monotonic()
            if now >= clock.due_at:
                raise ModelError("model_timeout", "The language model took too long.", retryable=True)
            if piece == _WAITING or now - shown_at >= _TICK_SECONDS:
                shown_at = now
                yield _WAITING
            if piece != _WAITING:
                yield piece
    finally:
        call.stop()


class _Call(threading.Thread):
    """One streaming request on a thread of its own, which hands over pieces, then None or its error."""

    def __init__(self, question: Question, patience: Patience, *, rewrites: bool = False) -> None:
        super().__init__(name="model-call", daemon=True)
        self._rewrites = rewrites
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
        """With tools; an endpoint that does not take them is asked again without, now and for the next hour."""
        if self._rewrites:
            return self._stream(client, rewriting(self._question))
        model = self._question.model
        place = (model.base_url, model.name) if model else ("", "")
        if _toolless.get(place, 0.0) <= time.monotonic():
            try:
                return self._stream(client, messages(self._question), tools=TOOLS, tool_choice=TOOL_CHOICE)
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                pass
        self._stream(client, messages(self._question, with_tools=False))
        if len(_toolless) >= MOST_KEPT:
            _toolless.clear()
        _toolless[place] = time.monotonic() + _TOOLLESS_SECONDS
        return None

    def _stream(self, client: openai.OpenAI, chat: list[dict[str, str]], **tools: Any) -> None:
        model = self._question.model
        asked: Any = {"model": model.name if model else "", "messages": chat, "stream": True, **tools}
        with client.chat.completions.create(**asked) as stream:
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
            # Of several calls the first. Some endpoints send an object where the text of one is meant.
            if call.function and call.function.arguments and not call.index:
                given = call.function.arguments
                yield _Piece(arguments=given if isinstance(given, str) else json.dumps(given))
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
