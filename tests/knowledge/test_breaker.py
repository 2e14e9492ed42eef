"""When a model is left alone, for how long, and who tries again. The clock is the test's."""

from __future__ import annotations

import pytest

from knowledge.answers import Model, Question, openai_model
from knowledge.answers.breaker import FIRST_PAUSE_SECONDS, IN_A_ROW, LONGEST_PAUSE_SECONDS, Breaker, breaker_of
from knowledge.errors import ModelError

DOWN = ModelError("model_error", "It is down.", retryable=True)


class Stage:
    """A breaker and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.breaker = Breaker(clock=lambda: self.now)

    def fail(self, error: ModelError = DOWN, *, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit()
            self.breaker.failed(error)

    def succeed(self, *, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.admit()
            self.breaker.spoke()

    def rests(self) -> bool:
        """Whether nobody may ask; asking is left again at once."""
        try:
            self.breaker.admit()
        except ModelError as error:
            return (error.code, error.retryable) == ("model_resting", True)
        self.breaker.left()
        return False


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_failures_in_a_row_open_it_and_a_success_between_does_not(stage: Stage) -> None:
    stage.fail(times=IN_A_ROW - 1)
    stage.succeed()
    stage.fail(times=IN_A_ROW - 1)
    assert not stage.rests()
    stage.fail()
    assert stage.rests()


def test_half_of_many_failing_within_a_minute_opens_it(stage: Stage) -> None:
    for _ in range(3):
        stage.succeed()
        stage.fail()
    assert not stage.rests()
    stage.succeed()
    stage.fail()
    assert stage.rests()


def test_failures_long_ago_do_not_count(stage: Stage) -> None:
    for _ in range(20):
        stage.succeed()
        stage.fail()
        stage.now += 30
    assert not stage.rests()


def test_after_the_pause_one_question_tries_and_the_others_stay_away(stage: Stage) -> None:
    stage.fail(times=IN_A_ROW)
    stage.now += FIRST_PAUSE_SECONDS
    assert stage.breaker.admit() is True
    assert stage.rests()
    stage.breaker.spoke()
    assert stage.breaker.admit() is False


def test_a_try_that_fails_doubles_the_pause_up_to_a_limit(stage: Stage) -> None:
    stage.fail(times=IN_A_ROW)
    pause = FIRST_PAUSE_SECONDS
    for _ in range(8):
        stage.now += pause - 0.1
        assert stage.rests()
        stage.now += 0.1
        stage.fail()
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    assert pause == LONGEST_PAUSE_SECONDS


def test_a_try_that_was_given_up_leaves_room_for_the_next(stage: Stage) -> None:
    stage.fail(times=IN_A_ROW)
    stage.now += FIRST_PAUSE_SECONDS
    assert stage.breaker.admit() is True
    stage.breaker.left()
    assert stage.breaker.admit() is True


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (ModelError("model_key", "Wrong key."), FIRST_PAUSE_SECONDS),
        (ModelError("model_busy", "Slow.", retryable=True, after_seconds=40), 40),
        (ModelError("model_busy", "Slow.", retryable=True, after_seconds=9e9), LONGEST_PAUSE_SECONDS),
    ],
)
def test_a_refused_key_and_a_wish_for_quiet_open_it_at_once(stage: Stage, error: ModelError, pause: float) -> None:
    stage.fail(error)
    stage.now += pause - 0.1
    assert stage.rests()
    stage.now += 0.1
    assert not stage.rests()


def test_a_refusal_of_one_question_says_nothing_of_the_endpoint(stage: Stage) -> None:
    stage.fail(ModelError("model_filtered", "No."), times=10)
    assert not stage.rests()


def test_each_endpoint_and_key_has_its_own(stage: Stage) -> None:
    one = Model("m", "key-1", "https://a.example/v1")
    assert breaker_of(one) is breaker_of(Model("m", "key-1", "https://a.example/v1"))
    assert breaker_of(one) is not breaker_of(Model("m", "key-2", "https://a.example/v1"))
    assert breaker_of(one) is not breaker_of(Model("m", "key-1", "https://b.example/v1"))


def test_a_rewrite_that_was_refused_leaves_the_try_to_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    monkeypatch.setattr(openai_model, "breaker_of", lambda model: breaker)
    for _ in range(IN_A_ROW):
        breaker.failed(DOWN)
    now[0] = FIRST_PAUSE_SECONDS + 1
    assert breaker.admit()
    question = Question("and for students?", model=Model("m", "key", "http://127.0.0.1:9/v1", is_operators=True))
    assert openai_model.standalone(question) == ""
    with pytest.raises(ModelError):
        breaker.admit()
