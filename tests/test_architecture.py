"""The house keeps its own rules (tests/house.py), and every rule catches what it is for."""

import re

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from tests import house
from tests.house import ORDER, ROOT, RULES, Module, Rule

TYPE_IGNORES = 5

LONG_FUNCTION = "def long():\n" + "    x = 1\n" * 60
LONG_METHOD = "class C:\n    async def receive(self):\n" + "        x = 1\n" * 11
CONSUMER_OK = (
    'class C:\n    async def receive(self):\n        """Say.\n\n        More.\n        """\n'
    + "        x = 1\n" * 10
)

# (rule, path, text that breaks it)
PLANTED: list[tuple[Rule, str, str]] = [
    (house.imports_point_left, "tenants/x.py", "from chat.models import Message"),
    (house.imports_point_left, "chat/x.py", "def f():\n    import livesupport.actions"),
    (house.imports_point_left, "insights/x.py", "from builtabot import env"),
    (house.imports_point_left, "chat/x.py", "from tests.cast import Cast"),
    (house.imports_point_left, "knowledge/a/b.py", "from ...chat import models"),
    (house.schemas_are_entered_by_one_door, "chat/x.py", "from django_tenants.utils import schema_context"),
    (house.schemas_are_entered_by_one_door, "chat/x.py", "connection.set_tenant(t)"),
    (house.schemas_are_entered_by_one_door, "chat/x.py", "cursor.execute('SET search_path = t1')"),
    (house.threads_are_crossed_by_one_door, "chat/x.py", "from channels.db import database_sync_to_async"),
    (
        house.threads_are_crossed_by_one_door,
        "chat/x.py",
        "import asgiref.sync\nasgiref.sync.async_to_sync(f)()",
    ),
    (
        house.the_channel_layer_has_one_door,
        "chat/consumers.py",
        "async def f(self):\n    await self.channel_layer.send(1)",
    ),
    (house.the_channel_layer_has_one_door, "livesupport/x.py", "layer.group_send('a', {})"),
    (house.consumers_touch_no_rows, "chat/consumers.py", "from chat.models import Message"),
    (house.consumers_touch_no_rows, "chat/consumers.py", "from chat import models"),
    (house.consumers_touch_no_rows, "chat/consumers/visitor.py", "from django.db import transaction"),
    (house.consumers_touch_no_rows, "chat/consumers.py", "x = Message.objects"),
    (house.consumers_touch_no_rows, "chat/consumers.py", LONG_METHOD),
    (house.the_orm_is_synchronous, "chat/x.py", "async def f():\n    await rows.afirst()"),
    (
        house.the_orm_is_synchronous,
        "chat/x.py",
        "async def f():\n    async for m in Message.objects.all(): pass",
    ),
    (
        house.the_orm_is_synchronous,
        "chat/x.py",
        "async def f():\n    return [m async for m in Message.objects.all()]",
    ),
    (house.outside_services_have_adapters, "knowledge/answers/prompt.py", "import openai"),
    (house.outside_services_have_adapters, "chat/x.py", "from urllib.request import urlopen"),
    (house.outside_services_have_adapters, "chat/x.py", "from urllib import request"),
    (house.outside_services_have_adapters, "livesupport/x.py", "from slack_sdk.web import WebClient"),
    (house.outside_services_have_adapters, "livesupport/slack/views.py", "import slack_sdk"),
    (house.no_signals_of_our_own, "chat/x.py", "from django.dispatch import receiver"),
    (house.no_signals_of_our_own, "chat/x.py", "from django.db.models import signals"),
    (house.files_are_named_for_their_subject, "chat/utils.py", ""),
    (house.files_are_named_for_their_subject, "chat/helpers/text.py", ""),
    (house.functions_and_files_are_short, "chat/x.py", LONG_FUNCTION),
    (house.functions_and_files_are_short, "chat/x.py", "x = 1\n" * 401),
    (house.functions_and_files_are_short, "chat/x.py", "def f(a, b, c, d, e): ..."),
    (house.saves_name_their_fields, "chat/x.py", "row.save()"),
    (house.saves_name_their_fields, "chat/x.py", "self.row.save(using='default')"),
    (
        house.actions_are_keyword_only,
        "chat/actions.py",
        "def post(conversation):\n    with transaction.atomic(): ...",
    ),
    (
        house.actions_are_keyword_only,
        "chat/actions/posting.py",
        "@transaction.atomic\ndef post(row, *, text): ...",
    ),
    (house.events_are_frozen_primitives, "chat/events.py", "class Posted(Event):\n    id: int"),
    (
        house.events_are_frozen_primitives,
        "chat/events.py",
        "@dataclass(frozen=True)\nclass P(Event):\n    row: Message",
    ),
    (house.the_environment_is_read_once, "chat/x.py", "import os\nos.environ['X']"),
    (house.the_environment_is_read_once, "chat/x.py", "from os import getenv"),
    (house.nothing_forks, "knowledge/x.py", "from concurrent.futures import ProcessPoolExecutor"),
    (house.nothing_forks, "knowledge/x.py", "import multiprocessing.pool"),
    (
        house.html_is_made_safe_in_one_place,
        "livesupport/x.py",
        "def f(t):\n    return mark_safe(t)",
    ),
    (house.ignores_have_a_reason, "chat/x.py", "x = 1  # type: ignore"),
    (house.ignores_have_a_reason, "chat/x.py", "x = 1  # type: ignore[misc]"),
]

# (rule, path, text that looks like it and is fine)
ALLOWED: list[tuple[Rule, str, str]] = [
    (house.imports_point_left, "insights/x.py", "from chat.models import Message\nimport tenants.events"),
    (house.imports_point_left, "chat/a/b.py", "from ..c import d\nfrom . import e"),
    (
        house.schemas_are_entered_by_one_door,
        "tenants/schema.py",
        "from django_tenants import utils\nutils.schema_context",
    ),
    (house.consumers_touch_no_rows, "chat/consumers.py", CONSUMER_OK),
    (house.consumers_touch_no_rows, "chat/actions.py", "from chat.models import Message"),
    (house.the_orm_is_synchronous, "chat/x.py", "async def f():\n    async for frame in socket: pass"),
    (house.outside_services_have_adapters, "knowledge/answers/openai_model.py", "import openai"),
    (house.outside_services_have_adapters, "chat/x.py", "from urllib.parse import urlsplit"),
    (house.functions_and_files_are_short, "chat/x.py", "class C:\n    def f(self, a, b, *, e): ..."),
    (
        house.saves_name_their_fields,
        "chat/x.py",
        "row.save(update_fields=['a'])\nform.save()\nsuper().save()",
    ),
    (
        house.actions_are_keyword_only,
        "chat/actions.py",
        "@transaction.atomic\ndef post(*, text): ...\ndef lock(row): ...",
    ),
    (
        house.events_are_frozen_primitives,
        "chat/events.py",
        "@dataclass(frozen=True)\nclass P(Event):\n    ids: tuple[int, ...]\n    at: str | None",
    ),
    (
        house.ignores_have_a_reason,
        "chat/x.py",
        "x = 1  # type: ignore[misc]  # no stubs for it\ny = '# type: ignore'",
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule) -> None:
    complaints = [complaint for module in house.product() for complaint in rule(module)]
    assert not complaints, f"{rule.__doc__}\n" + "\n".join(complaints)


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_rule_catches_what_it_is_for(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Module(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_a_rule_leaves_the_rest_alone(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Module(path, text)))


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


def test_the_walk_finds_the_product() -> None:
    modules = house.product()
    assert {module.app for module in modules} == set(ORDER)
    assert len(modules) > 40


def test_no_exception_outlives_its_file() -> None:
    paths = {module.path: module.text for module in house.product()}
    stale = [key for key in house.EXCEPTIONS if key[2] not in paths.get(key[1], "")]
    assert not stale


def test_type_ignores_are_few() -> None:
    found = [f"{module.path}:{line}" for module in house.product() for line, _ in house.type_ignores(module)]
    assert len(found) <= TYPE_IGNORES, found


def _side(model: type[models.Model]) -> set[str]:
    """Where a model's table is: in the shared schema, in each tenant's, or both."""
    name = model._meta.app_config.name
    return {
        side
        for side, listed in (("shared", settings.SHARED_APPS), ("tenant", settings.TENANT_APPS))
        if name in listed
    }


def _relations() -> list[tuple[type[models.Model], models.Field, type[models.Model]]]:
    every = apps.get_models(include_auto_created=True)
    return [
        (model, field, field.related_model)
        for model in every
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model is not None
    ]


def test_no_foreign_key_crosses_schemas() -> None:
    relations = _relations()
    assert len(relations) > 30
    crossing = [
        f"{model.__name__}.{field.name} -> {to.__name__}"
        for model, field, to in relations
        if _side(model) != _side(to)
    ]
    assert not crossing


def test_relations_point_left_too() -> None:
    wrong = []
    for model, field, to in _relations():
        tops = [cls._meta.app_config.name.split(".")[0] for cls in (model, to)]
        if all(top in ORDER for top in tops) and ORDER.index(tops[0]) < ORDER.index(tops[1]):
            wrong.append(f"{model.__name__}.{field.name} -> {to.__name__}")
    assert not wrong


INLINE = re.compile(
    r"""<(script|style)(?![^>]*(?:\bsrc=|nonce=|type="application/json"))|\son\w+\s*=\s*["']|\sstyle\s*=""",
    re.I,
)
UNSAFE_TEMPLATE = re.compile(r"\|\s*safe\b|autoescape\s+off|\|\s*safeseq")
UNSAFE_SCRIPT = re.compile(
    r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function\(|srcdoc"
)
# Files that may, each with its reason.
UNSAFE_SCRIPT_EXCEPTIONS: dict[str, str] = {}


def _files(folder: str, suffix: str) -> list[tuple[str, str]]:
    return [
        (p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8"))
        for p in sorted((ROOT / folder).rglob(f"*{suffix}"))
    ]


def _hits(files: list[tuple[str, str]], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match.group(0)!r}"
        for path, text in files
        for match in pattern.finditer(text)
    ]


def test_templates_work_under_a_strict_content_policy() -> None:
    """No inline script or style without a nonce, no handler or style attribute. Mail is not a page."""
    templates = [(path, text) for path, text in _files("templates", ".html") if "/email/" not in path]
    assert templates
    assert not _hits(templates, INLINE)


def test_templates_never_switch_escaping_off() -> None:
    assert not _hits(_files("templates", ".html"), UNSAFE_TEMPLATE)


def test_scripts_show_text_as_text() -> None:
    files = [(path, text) for path, text in _files("static", ".js") if path not in UNSAFE_SCRIPT_EXCEPTIONS]
    assert files
    assert not _hits(files, UNSAFE_SCRIPT)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (INLINE, "<script>alert(1)</script>"),
        (INLINE, '<a onclick="x()">'),
        (INLINE, '<p style="color:red">'),
        (INLINE, "<style>p{}</style>"),
        (UNSAFE_TEMPLATE, "{{ message.text|safe }}"),
        (UNSAFE_TEMPLATE, "{% autoescape off %}"),
        (UNSAFE_SCRIPT, "node.innerHTML = text"),
    ],
)
def test_the_patterns_catch_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
    assert not pattern.search(
        '<script nonce="x" src="/a.js"></script><p class="style">{{ safe }}</p> node.textContent = text'
    )


def test_scripts_are_short_too() -> None:
    long = [
        f"{path} has {text.count(chr(10))}"
        for path, text in _files("static", ".js")
        if text.count("\n") > house.FILE_LINES
    ]
    assert not long
