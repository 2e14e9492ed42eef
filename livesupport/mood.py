"""A visitor's mood as the desk shows it: a face with its word, and a small line of the last messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.judgement.mood import trail

CALM, TENSE = 0.15, -0.1
SHOWN = 8
WIDTH, HEIGHT, MIDDLE, REACH, EDGE, LAST = 300, 84, 42.0, 32.0, 8.0, 244.0


@dataclass(frozen=True)
class Face:
    """A mood in a word; `tone` is empty, `tense` or `bad`."""

    icon: str
    word: str
    tone: str = ""


@dataclass(frozen=True)
class Dot:
    """One message on the line."""

    x: float
    y: float
    mood: float
    is_upset: bool


@dataclass(frozen=True)
class Line:
    """The running mood, message by message; `threshold` is its line's height. `finding` says what the picture shows."""

    dots: tuple[Dot, ...]
    threshold: float
    asked: float
    finding: str
    width: int = WIDTH
    height: int = HEIGHT
    middle: float = MIDDLE

    @property
    def path(self) -> str:
        """The line through all dots, as SVG writes it."""
        return "M" + " L".join(f"{dot.x:g} {dot.y:g}" for dot in self.dots)

    @property
    def caption(self) -> float:
        """Where the threshold's words stand: below its line, or above where there is no room."""
        return self.threshold + 12 if self.threshold + 14 <= HEIGHT else self.threshold - 5


def face(moods: Sequence[float], threshold: float) -> Face | None:
    """How somebody sounds now, from their messages' moods, oldest first; None where none was judged."""
    if not moods:
        return None
    now = trail(moods)[-1]
    if now < threshold:
        return Face("frown", "upset", "bad")
    if now <= TENSE:
        return Face("tense", "tense", "tense")
    return Face("smile", "calm") if now >= CALM else Face("flat", "neutral")


def line(moods: Sequence[float], threshold: float) -> Line | None:
    """The last messages as a line; None for fewer than two."""
    values = trail(moods)[-SHOWN:]
    if len(values) < 2:
        return None
    step = (LAST - EDGE) / (len(values) - 1)
    dots = tuple(
        Dot(round(EDGE + step * at, 1), _height(mood), mood, mood < threshold) for at, mood in enumerate(values)
    )
    crossed = "crossed" if any(dot.is_upset for dot in dots) else "not crossed"
    said = ", ".join(f"{mood:.1f}" for mood in values)
    finding = f"Mood by message: {said}. Threshold {threshold:.1f} {crossed}."
    return Line(dots, _height(threshold), threshold, finding)


def _height(mood: float) -> float:
    return round(MIDDLE - REACH * mood, 1)
