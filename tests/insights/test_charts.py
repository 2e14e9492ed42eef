"""Where the marks stand."""

from datetime import date, timedelta

import pytest

from insights import charts
from insights.queries import Outcomes, Timing
from insights.templatetags.figures import duration, percent, score

DAY = date(2026, 3, 12)


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (1, 4), (4, 4), (5, 8), (9, 12), (13, 20), (21, 40), (41, 80), (90, 120), (401, 800)]
)
def test_the_axis_ends_at_a_number_that_four_lines_divide(most: int, top: int) -> None:
    assert charts.ceiling(most) == top


def test_the_axis_holds_everything_and_wastes_little() -> None:
    for most in range(5000):
        top = charts.ceiling(most)
        assert top >= most
        assert top % 4 == 0
        assert top <= max(4, 2.5 * most)


def test_columns_stack_from_the_ground_up_without_overlap() -> None:
    day = Outcomes(confirmed=2, assumed=1, people=2, unresolved=1, open=1)
    drawn = charts.columns([(DAY, Outcomes()), (DAY + timedelta(days=1), day)])
    assert [block.kind for block in drawn.blocks] == ["ai", "people", "none", "open"]
    floor = drawn.bottom
    for block in drawn.blocks:
        assert block.y + block.height == pytest.approx(floor, abs=0.02)
        assert block.x >= (drawn.left + drawn.right) / 2
        floor = block.y
    heights = {block.kind: block.height for block in drawn.blocks}
    assert heights["ai"] == pytest.approx(3 * heights["open"], abs=0.05)


@pytest.mark.parametrize("days", [7, 28, 90])
def test_the_days_are_named_as_often_as_there_is_room(days: int) -> None:
    drawn = charts.columns([(DAY + timedelta(days=n), Outcomes(people=1)) for n in range(days)])
    assert 6 <= len(drawn.days) <= 10
    assert drawn.days[0].text == "12 Mar"


def test_the_finding_says_what_the_picture_shows() -> None:
    drawn = charts.columns([(DAY, Outcomes(confirmed=1)), (DAY + timedelta(days=1), Outcomes(people=2))])
    assert drawn.finding == (
        "3 conversations in 2 days: 1 by the AI, 2 by people. The busiest day was 13 March with 2."
    )


def test_a_bullet_holds_median_p90_and_target() -> None:
    bar = charts.bullet(Timing("claim", "Queue to claim", 30, median=15.0, p90=60.0, sample=3))
    assert (bar.median, bar.p90, bar.target) == (21.74, 86.96, 43.48)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.0, "0 s"), (1.13, "1.1 s"), (2, "2 s"), (9.97, "10 s"), (59.4, "59 s"), (59.9, "1:00")]
    + [(64, "1:04"), (480, "8:00"), (7500, "2 h 05")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_shares_and_scores() -> None:
    assert (percent(None), percent(0), score(None), score(0.314)) == ("–", "0%", "–", "0.31")
