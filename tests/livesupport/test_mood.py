"""The mood on the desk: its word and face in the row, its line in the card."""

from __future__ import annotations

import pytest

from chat.models import Message
from livesupport.mood import face, line
from tests.conftest import Tenants
from tests.livesupport.test_actions import queue_up


@pytest.mark.parametrize(
    ("moods", "word", "tone"),
    [
        ([0.5], "calm", ""),
        ([0.0], "neutral", ""),
        ([-0.2], "tense", "tense"),
        ([-0.7], "upset", "bad"),
        ([0.5, -0.9], "upset", "bad"),
        ([-0.9, 0.6], "calm", ""),
    ],
)
def test_a_mood_has_one_word(moods: list[float], word: str, tone: str) -> None:
    found = face(moods, -0.4)
    assert found is not None
    assert (found.word, found.tone) == (word, tone)


def test_nothing_judged_shows_nothing() -> None:
    assert face([], -0.4) is None
    assert line([0.3], -0.4) is None


def test_the_line_says_in_words_what_it_draws() -> None:
    drawn = line([0.5, 0.4, -0.9], -0.4)
    assert drawn is not None
    assert drawn.finding == "Mood by message: 0.5, 0.4, -0.5. Threshold -0.4 crossed."
    assert [dot.is_upset for dot in drawn.dots] == [False, False, True]
    assert drawn.dots[0].y < drawn.dots[1].y < drawn.threshold < drawn.dots[2].y
    assert 0 < drawn.caption < drawn.height


@pytest.mark.parametrize("threshold", [-1.0, -0.4, 0.0, 1.0])
def test_the_caption_stays_in_the_picture(threshold: float) -> None:
    drawn = line([0.1] * 20, threshold)
    assert drawn is not None
    assert len(drawn.dots) == 8
    assert 0 < drawn.caption <= drawn.height


def test_the_row_and_the_card_show_how_the_visitor_sounds(tenants: Tenants) -> None:
    cast = tenants.a
    cast.run(queue_up, cast)
    path = f"/live/c/{cast.thread.conversation_id}/card/"
    client = cast.client(cast.agent)
    assert "Mood by message" not in client.get(path).content.decode()
    with cast.inside():
        for seq, mood in ((1, 0.2), (3, -0.8)):
            Message.objects.filter(conversation=cast.thread.conversation_id, seq=seq).update(mood=mood)
    assert "Mood by message: 0.2, -0.5. Threshold -0.4 crossed." in client.get(path).content.decode()
    queue = client.get(f"/live/queue/?c={cast.thread.conversation_id}").content.decode()
    assert 'class="mood mood-bad"' in queue
    assert "upset" in queue
