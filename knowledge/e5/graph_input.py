"""What the graph is given: the rows of a text's tokens, with their positions, after the first norm."""

from __future__ import annotations

from knowledge.e5.weights import Floats, Weights

_BEGIN, _END = 0, 2


class InputRows:
    """Positions count from 0 here, as in BERT, and every token is of type 0."""

    def __init__(self, weights: Weights) -> None:
        shape = weights.shape
        self._weights = weights
        self._positions = weights.matrix("emb.pos", shape.positions) + weights.matrix("emb.type", 2)[0]
        self._norm = weights.tensor("emb.ln.w"), weights.tensor("emb.ln.b")

    def of(self, ids: list[int]) -> Floats:
        """Rows of one window's tokens inside their frame, shape (len(ids) + 2, width)."""
        framed = [_BEGIN, *ids, _END]
        rows = self._weights.word_rows(framed) + self._positions[: len(framed)]
        return normalise(rows, self._norm, self._weights.shape.epsilon)


def normalise(x: Floats, norm: tuple[Floats, Floats], epsilon: float) -> Floats:
    """Layer norm over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Floats = centred / ((centred**2).mean(axis=-1, keepdims=True) + epsilon) ** 0.5 * norm[0] + norm[1]
    return scaled
