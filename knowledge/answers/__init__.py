"""One interface to whoever answers: `answer(question)`."""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.answers import extractive
from knowledge.answers.question import Delta, Model, Outcome, Patience, Question, Said
from knowledge.small_talk import small_talk

__all__ = ["Delta", "Model", "Outcome", "Patience", "Question", "Said", "answer"]


def answer(question: Question, *, patience: Patience | None = None) -> Iterator[Delta]:
    """Pieces of text as they come, then exactly one Outcome. An empty piece says that it is still at work.

    Small talk gets a polite line, with a model too: there is nothing to quote, so no word of a model could be trusted.
    Else the model answers if there is one, or the best sentences are quoted. Raises ModelError.
    """
    if (talk := small_talk(question.text, language=question.language)) is not None:
        return iter((talk.reply, Outcome("reply", talk.reply)))
    if question.model is None:
        return extractive.answer(question)
    # Imported on use: the client library takes half a second and 60 MB that a tenant without a key never needs.
    from knowledge.answers import openai_model

    return openai_model.answer(question, patience=patience)
