"""One interface to whoever answers: `answer(question)`."""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.answers import extractive
from knowledge.answers.followups import carried
from knowledge.answers.question import Delta, Model, Outcome, Patience, Question, Said
from knowledge.small_talk import small_talk

__all__ = ["Delta", "Model", "Outcome", "Patience", "Question", "Said", "answer", "in_context"]


def in_context(question: Question) -> str:
    """The question as it is to be searched for if alone it finds little: with what the visitor asked before, in the
    model's words if there is one and it is quick, else as it was written. '' where it says enough, or is the first."""
    before = [said.text for said in question.history if said.who == "visitor"]
    joined = carried(question.text, before)
    if not joined or question.model is None:
        return joined
    from knowledge.answers import openai_model

    return openai_model.standalone(question) or joined


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
