"""One interface to whoever answers: `answer(question)`."""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.answers import extractive
from knowledge.answers.question import Delta, Model, Outcome, Question, Said

__all__ = ["Delta", "Model", "Outcome", "Question", "Said", "answer"]


def answer(question: Question) -> Iterator[Delta]:
    """Pieces of text as they come, then exactly one Outcome.

    With a model in the question that model answers, else the best sentences are quoted. Raises ModelError.
    """
    if question.model is None:
        return extractive.answer(question)
    # Imported on use: the client library takes half a second and 60 MB that a tenant without a key never needs.
    from knowledge.answers import openai_model

    return openai_model.answer(question)
