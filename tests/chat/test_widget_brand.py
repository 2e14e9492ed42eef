"""The business's colour stays readable, whichever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.brand import DARK_SURFACES, LIGHT_SURFACES, Palette, contrast, palette

colours = st.tuples(*[st.integers(0, 255)] * 3).map(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb))


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#7a4a1e", "#ffffff", 7.4),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.05)
    assert contrast(one, other) == contrast(other, one)


@given(colours)
def test_every_pair_of_every_brand_is_readable(brand: str) -> None:
    found = palette(brand)
    assert contrast(found.on_brand, brand) >= 4.5
    assert all(contrast(found.text_light, surface) >= 4.5 for surface in LIGHT_SURFACES)
    assert all(contrast(found.text_dark, surface) >= 4.5 for surface in DARK_SURFACES)


@given(colours)
def test_a_brand_without_an_edge_can_be_seen(brand: str) -> None:
    found = palette(brand)
    assert found.edge_light or contrast(brand, LIGHT_SURFACES[0]) >= 3
    assert found.edge_dark or contrast(brand, DARK_SURFACES[0]) >= 3


def test_a_readable_brand_is_left_as_it_is() -> None:
    assert palette("#7A4A1E") == Palette("#7a4a1e", "#ffffff", "#7a4a1e", palette("#7a4a1e").text_dark, False, True)


@pytest.mark.parametrize(("brand", "ink"), [("#ffe14d", "#1b1916"), ("#024c5b", "#ffffff"), ("#808080", "#000000")])
def test_words_on_the_brand_take_the_first_ink_that_can_be_read(brand: str, ink: str) -> None:
    assert palette(brand).on_brand == ink


def test_white_needs_an_edge_in_the_light_and_none_in_the_dark() -> None:
    assert (palette("#ffffff").edge_light, palette("#ffffff").edge_dark) == (True, False)
