"""Which model answers for a project: its own address and the operator's key are never mixed."""

from typing import Any

import pytest

from knowledge.answering import model_of
from knowledge.answers import Model
from tenants.workspace.models import Project

THEIRS, OPERATORS = "https://llm.tenant.example/v1", "https://api.operator.example/v1"


@pytest.fixture(autouse=True)
def _operator(settings: Any) -> None:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "sk-operator", OPERATORS, "small"


@pytest.mark.parametrize(
    ("base_url", "key", "name", "model"),
    [
        (THEIRS, "sk-theirs", "large", Model("large", "sk-theirs", THEIRS)),
        (THEIRS, "", "large", Model("large", "", THEIRS)),
        (THEIRS, "", "", Model("small", "", THEIRS)),
        ("", "sk-theirs", "large", Model("large", "sk-theirs", OPERATORS, is_operators=True)),
        ("", "", "large", Model("small", "sk-operator", OPERATORS, is_operators=True)),
        ("", "", "", Model("small", "sk-operator", OPERATORS, is_operators=True)),
    ],
)
def test_the_address_brings_its_own_key_and_the_operators_key_its_own_model(
    base_url: str, key: str, name: str, model: Model
) -> None:
    project = Project(answerer="openai", model_base_url=base_url, model_key=key, model_name=name)
    assert model_of(project) == model


def test_a_project_that_quotes_its_pages_has_no_model() -> None:
    assert model_of(Project(answerer="extractive", model_key="sk-theirs")) is None
