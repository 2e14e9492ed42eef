"""The real openai client talks to the fake, and meets every fault that the fake can play."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.fakes.openai_server import MODEL, FakeOpenAI, Fault, Reply, ToolCall

QUESTION = [{"role": "user", "content": "How long do refunds take?"}]


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def client(fake: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=fake.base_url, api_key="sk-test", max_retries=0, timeout=0.4) as made:
        yield made


def streamed(client: openai.OpenAI) -> str:
    with client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True) as stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_it_streams_the_scripted_text_in_pieces(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply("Refunds take 14 days.", piece=4))
    pieces = [c.choices[0].delta.content for c in client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True) if c.choices[0].delta.content]  # fmt: skip
    assert pieces == ["Refu", "nds ", "take", " 14 ", "days", "."]
    assert fake.prompts == [QUESTION]
    assert fake.calls[0].bearer == "sk-test"


def test_it_answers_whole_and_then_by_default(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply("One."))
    fake.default = lambda call: Reply(call.body["messages"][-1]["content"])
    answers = [client.chat.completions.create(model=MODEL, messages=QUESTION) for _ in range(2)]
    assert [answer.choices[0].message.content for answer in answers] == ["One.", "How long do refunds take?"]


def test_it_calls_tools(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply(tools=(ToolCall("request_human", '{"reason": "asked"}'),)))
    chunks = list(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))
    calls = [call.function for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.name for call in calls] == ["request_human", None]
    assert "".join(call.arguments for call in calls) == '{"reason": "asked"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.UNAUTHORIZED, openai.AuthenticationError),
        (Fault.NOT_FOUND, openai.NotFoundError),
        (Fault.RATE_LIMITED, openai.RateLimitError),
        (Fault.SERVER_ERROR, openai.InternalServerError),
        (Fault.OVERLOADED, openai.InternalServerError),
        (Fault.HANG, openai.APITimeoutError),
        (Fault.CUT_AT_ONCE, openai.APIConnectionError),
        (Fault.ERROR_EVENT, openai.APIError),
    ],
)
def test_a_fault_becomes_the_clients_own_error(
    fake: FakeOpenAI, client: openai.OpenAI, fault: Fault, error: type[Exception]
) -> None:
    fake.script(Reply("Never shown.", fault=fault))
    with pytest.raises(error):
        streamed(client)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.HANG_AFTER_FIRST, Fault.NOT_JSON])
def test_a_stream_breaks_after_its_first_words(fake: FakeOpenAI, client: openai.OpenAI, fault: Fault) -> None:
    fake.script(Reply("Refunds take 14 days.", fault=fault))
    stream = iter(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))
    seen = [next(stream).choices[0].delta.content, next(stream).choices[0].delta.content]
    assert "".join(seen) == "Refunds take"
    # The client lets some errors of its transport and of its decoder through as they are.
    with pytest.raises((openai.APIError, httpx.TransportError, ValueError)):
        list(stream)


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.HTML])
def test_an_empty_answer_is_no_error_to_the_client(fake: FakeOpenAI, client: openai.OpenAI, fault: Fault) -> None:
    fake.script(Reply("Never shown.", fault=fault))
    assert streamed(client) == ""


def test_a_slow_drip_outlives_the_read_timeout(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply("abcdef", piece=1, gap_seconds=0.1))
    assert streamed(client) == "abcdef"


def test_a_huge_answer_arrives_whole(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply("x" * 300_000, piece=20_000))
    assert len(streamed(client)) == 300_000


def test_retry_after_is_there_to_read(fake: FakeOpenAI, client: openai.OpenAI) -> None:
    fake.script(Reply(fault=Fault.RATE_LIMITED))
    with pytest.raises(openai.RateLimitError) as caught:
        streamed(client)
    assert caught.value.response.headers["retry-after"] == "7"
