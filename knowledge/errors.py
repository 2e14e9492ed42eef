"""What can go wrong in knowledge."""

from __future__ import annotations

from tenants.errors import ProductError


class KnowledgeError(ProductError):
    """Base of this app's errors: a code, a sentence for people, and whether to try again."""

    def __init__(self, code: str, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(sentence, code=code, retryable=retryable)


class FetchRefused(KnowledgeError):
    """The address must not be contacted; no connection to it was opened. Never retryable."""


class FetchFailed(KnowledgeError):
    """The address may be contacted, but no usable answer came back."""


class FileRefused(KnowledgeError):
    """An uploaded file cannot be content; the sentence names the file. Nothing was kept."""


class ExtractFailed(KnowledgeError):
    """A file was fetched, but its text could not be read."""


class EmbedFailed(KnowledgeError):
    """A text could not be turned into a vector: the engine cannot be loaded, fails, or hangs."""


class ModelError(KnowledgeError):
    """A language model gave no usable answer. `after_seconds` is how long it asked us to stay away."""

    def __init__(
        self, code: str, sentence: str, *, retryable: bool = False, after_seconds: float | None = None
    ) -> None:
        super().__init__(code, sentence, retryable=retryable)
        self.after_seconds = after_seconds


class RunStopped(KnowledgeError):
    """A crawl must end here: it was cancelled, or another worker has taken it over."""
