"""The comparison: the guide's figures, and whatever else a reader assumes."""

import pytest
from django.test import Client

from tenants.pricing import ASSUMPTIONS, Model, Numbers, compare, dollars, figures, read_numbers
from tests.cast import browser
from tests.conftest import Tenants

PLAN = 7999


@pytest.mark.parametrize("share", [70, 75, 80])
def test_the_usual_numbers_give_the_usual_figures(share: int) -> None:
    found = compare(Numbers(tickets=2000, cost=8000, share=share), plan_cents=PLAN)
    shown = [dollars(model.cents) for model in (found.human, found.ai, found.hybrid)]
    assert shown == ["$24,000", "$80", "$8,080"]
    assert (found.human.agents, found.hybrid.agents) == (3, 1)


@pytest.mark.parametrize(
    ("numbers", "human", "ai", "hybrid"),
    [
        (Numbers(1, 8000, 700, 75), Model(1, 800_000), Model(0, PLAN, 1), Model(1, 807_999)),
        (Numbers(1400, 8000, 700, 50), Model(2, 1_600_000), Model(0, PLAN, 700), Model(1, 807_999)),
        (Numbers(1401, 8000, 700, 0), Model(3, 2_400_000), Model(0, PLAN, 1401), Model(3, 2_407_999)),
        (Numbers(2000, 8000, 700, 100), Model(3, 2_400_000), Model(0, PLAN, 0), Model(0, PLAN)),
        (Numbers(2000, 0, 700, 75), Model(3, 0), Model(0, PLAN, 500), Model(1, PLAN)),
        (Numbers(999_999, 10, 7, 33), Model(142_857, 142_857_000), Model(0, PLAN, 670_000), Model(95_715, 95_722_999)),
    ],
)
def test_agents_are_hired_whole(numbers: Numbers, human: Model, ai: Model, hybrid: Model) -> None:
    found = compare(numbers, plan_cents=PLAN)
    assert (found.human, found.ai, found.hybrid) == (human, ai, hybrid)


@pytest.mark.parametrize(("cents", "shown"), [(0, "$0"), (7949, "$79"), (7950, "$80"), (2_400_000, "$24,000")])
def test_dollars_are_rounded_half_up(cents: int, shown: str) -> None:
    assert dollars(cents) == shown


def test_the_assumptions_begin_where_the_numbers_do() -> None:
    numbers, errors = read_numbers({})
    assert (numbers, errors) == (Numbers(), {})
    assert figures(numbers, plan_cents=PLAN)["rest_share"] == "25%"


@pytest.mark.parametrize("text", ["", "many", "-5", "1e3", "2.5", "0", "1000001", "٣", "9" * 40])
def test_what_is_no_sensible_number_is_told_and_left_out(text: str) -> None:
    numbers, errors = read_numbers({"tickets": text, "share": "60"})
    assert numbers == Numbers(share=60)
    assert errors == {"tickets": "A whole number from 1 to 1,000,000."}


@pytest.fixture
def public(tenants: Tenants) -> Client:
    return browser("localhost:8000")


def test_the_page_computes_without_a_script(public: Client) -> None:
    page = public.get("/pricing/").content.decode()
    for text in ("$79.99", "$24,000", "$80", "$8,080", "3 agents", "1 agent", "Your assumptions"):
        assert text in page
    asked = {"tickets": "500", "cost": "6000", "per_agent": "500", "share": "60"}
    page = public.get("/pricing/", asked).content.decode()
    for text in ("$6,000", "$6,080", ">200<", 'value="60"'):
        assert text in page
    assert "$24,000" not in page


def test_the_page_names_what_the_plan_includes_and_that_no_seat_and_no_card_is_needed(public: Client) -> None:
    page = public.get("/pricing/").content.decode()
    for text in (
        "<span>Live Support: queue, claim, typing, presence</span>",
        "<span>Slack: each handoff a thread, each reply in the visitor’s chat</span>",
        "Start 14 days free",
        "No card. Cancel at any time.",
        "no seats to count",
        '<th scope="row">Teammates</th><td class="n num">no limit</td>',
    ):
        assert text in page


def test_the_page_says_what_is_wrong_and_shows_nothing_of_it_raw(public: Client) -> None:
    page = public.get("/pricing/", {"tickets": '"><b>x'}).content.decode()
    assert "A whole number from 1 to 1,000,000." in page
    assert "<b>x" not in page
    assert "$24,000" in page


def test_more_tickets_than_the_plan_holds_are_no_secret(public: Client) -> None:
    note = "includes 2,000 conversations a month. For as many"
    at_limit = public.get("/pricing/", {"tickets": "2000"}).content.decode()
    beyond = public.get("/pricing/", {"tickets": "2001"}).content.decode()
    assert note in at_limit
    assert "data-over hidden" in at_limit
    assert "data-over hidden" not in beyond


def test_every_number_on_the_form_has_its_bounds_and_label(public: Client) -> None:
    page = public.get("/pricing/").content.decode()
    for each in ASSUMPTIONS:
        assert f'<label for="roi-{each.name}">{each.label}</label>' in page
        assert f'min="{each.least}" max="{each.most}"' in page
