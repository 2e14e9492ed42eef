"""What can go wrong in knowledge, as errors that carry their own translation."""

from __future__ import annotations


class KnowledgeError(Exception):
    """Base of every error of this app.

    `code` is stable and machine-readable, `retryable` says whether the same call may succeed later,
    and `str(error)` is a sentence that may be shown to a person.
    """

    def __init__(self, code: str, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retryable = retryable


class FetchRefused(KnowledgeError):
    """The address must not be contacted; no connection to it was opened. Never retryable."""


class FetchFailed(KnowledgeError):
    """The address may be contacted, but no usable answer came back."""


class ExtractFailed(KnowledgeError):
    """A file was fetched, but its text could not be read."""


class ModelError(KnowledgeError):
    """A language model gave no usable answer."""


class NotAllowed(KnowledgeError):
    """The action is against the state of the row it was asked for."""
