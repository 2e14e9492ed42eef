"""The business's one colour, made readable: what may stand on it, what it may write, and when it needs an edge."""

from __future__ import annotations

from dataclasses import dataclass

TEXT_RATIO = 4.5  # WCAG 2.2, 1.4.3: text up to 18 pt
SHAPE_RATIO = 3.0  # WCAG 2.2, 1.4.11: the outline of something one can operate

# The widget's surfaces in tokens.css: the lightest and darkest that brand-coloured text can land on.
LIGHT_SURFACES = ("#ffffff", "#f8f6f3")
DARK_SURFACES = ("#1b1916", "#211f1c")
INKS = ("#ffffff", "#1b1916", "#000000")  # in order of taste; black always passes where white fails
STEPS = 64

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Hex colours. `on_brand` is text on the brand; `text_light` and `text_dark` are the brand as text in the two
    themes; an edge is needed where the brand itself is too close to the theme's surface to be seen."""

    brand: str
    on_brand: str
    text_light: str
    text_dark: str
    edge_light: bool
    edge_dark: bool


def palette(brand: str) -> Palette:
    """The readable palette of a `#rrggbb` colour."""
    return Palette(
        brand=brand.lower(),
        on_brand=next((ink for ink in INKS if contrast(ink, brand) >= TEXT_RATIO), INKS[-1]),
        text_light=_readable(brand, "#000000", LIGHT_SURFACES),
        text_dark=_readable(brand, "#ffffff", DARK_SURFACES),
        edge_light=contrast(brand, LIGHT_SURFACES[0]) < SHAPE_RATIO,
        edge_dark=contrast(brand, DARK_SURFACES[0]) < SHAPE_RATIO,
    )


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `#rrggbb` colours, 1..21."""
    lighter, darker = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _readable(brand: str, towards: str, surfaces: tuple[str, ...]) -> str:
    """The brand, moved towards black or white only as far as every surface needs."""
    for step in range(STEPS + 1):
        mixed = _mix(_rgb(brand), _rgb(towards), step / STEPS)
        if all(contrast(mixed, surface) >= TEXT_RATIO for surface in surfaces):
            return mixed
    return towards


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(start: Rgb, end: Rgb, part: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(start, end, strict=True))


def _luminance(colour: Rgb) -> float:
    # https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    red, green, blue = (_linear(value / 255) for value in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
