"""The house rules as functions over source text: `rule(module) -> complaints`.

A rule sees one file at a time, so that a planted violation of a few lines can prove that it bites;
tests/test_architecture.py does that, and runs them over the product.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("tenants", "knowledge", "chat", "livesupport", "insights", "builtabot")
FUNCTION_LINES, FILE_LINES, CONSUMER_LINES, POSITIONAL = 60, 400, 10, 4

# name -> the only files that may use it. A trailing slash means the whole folder.
DOOR_1 = ("tenants/schema.py", "tenants/provisioning.py")
DOOR_2 = ("tenants/push.py",)
CLIENTS = {
    "openai": ("knowledge/answers/openai_model.py",),
    "httpx": ("knowledge/fetch.py", "livesupport/rehearsal.py"),
    "slack_sdk": ("livesupport/slack/client.py",),
    "http.client": ("builtabot/embedded/", "livesupport/rehearsal.py"),
    "urllib.request": ("builtabot/embedded/",),
    "websockets": ("livesupport/rehearsal.py",),
    "requests": (),
    "aiohttp": (),
    "urllib3": (),
    "smtplib": ("tenants/mail.py",),
    "django.core.mail": ("tenants/mail.py",),
    "scrapy": (),
}
ENVIRONMENT = ("builtabot/",)
SAFE_HTML = ("chat/render.py",)
FORK = ("multiprocessing", "concurrent.futures.process")
DRAWERS = re.compile(r"^(utils?|helpers?|services?|common|misc|shared|lib)$")
ASYNC_ORM = re.compile(
    r"^a(get(_or_create)?|create|update(_or_create)?|bulk_create|bulk_update|count|in_bulk|iterator|latest|earliest"
    r"|first|last|aggregate|exists|delete|contains|explain|save|refresh_from_db|add|remove|set|clear)$"
)
SIGNALS = (
    "django.dispatch",
    "django.db.models.signals",
    "django.core.signals",
    "django.contrib.auth.signals",
    "allauth.account.signals",
)
# `x.save()` of something that is no row with fields: these names, and super().
NOT_ROWS = frozenset({"form", "formset"})
PRIMITIVES = frozenset({"str", "int", "float", "bool", "None", "tuple"})

# (rule, file, subject) -> why this one may. Every exception of the house stands here.
EXCEPTIONS: dict[tuple[str, str, str], str] = {
    ("saves_name_their_fields", "tenants/models.py", "create_user"): "A manager's first save of a new row.",
    (
        "the_environment_is_read_once",
        "knowledge/embed.py",
        "environ",
    ): "Sets what OpenMP reads when it is loaded.",
    (
        "the_environment_is_read_once",
        "knowledge/pdf.py",
        "environ",
    ): "A child process gets two variables of ours.",
    ("functions_and_files_are_short", "knowledge/fetch.py", "connect_tcp"): "The signature is httpcore's.",
}


@dataclass(frozen=True)
class Module:
    """One file of the product: its path inside the project, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def app(self) -> str:
        return self.path.split("/")[0]

    @property
    def package(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def is_in(self, places: tuple[str, ...]) -> bool:
        return any(self.path == place or (place.endswith("/") and self.path.startswith(place)) for place in places)

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """(line, dotted name) of every import, also inside functions; `from a import b` gives `a.b` too."""
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(self, node)
                found += [(node.lineno, base)] + [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
        return found

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def function_at(self, line: int) -> str:
        """The name of the innermost function that holds `line`, or ``."""
        around = [f for f in self.functions if f.lineno <= line <= (f.end_lineno or f.lineno)]
        return max(around, key=lambda f: f.lineno).name if around else ""


Rule = Callable[[Module], Iterator[str]]


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    if not module.path.endswith("__init__.py"):
        parts = parts[:-1]
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _excused(rule: str, module: Module, subject: str) -> bool:
    return (rule, module.path, subject) in EXCEPTIONS


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier that is used, as a name, an attribute, or an imported name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names)


@cache  # each rule reads the same trees
def product() -> list[Module]:
    """Every Python file of the product, migrations apart."""
    files = (path for app in ORDER for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts)
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files]


def imports_point_left(module: Module) -> Iterator[str]:
    """tenants <- knowledge <- chat <- livesupport <- insights <- builtabot; no test code in the product."""
    allowed = ORDER[: ORDER.index(module.app) + 1]
    for line, name in module.imports:
        top = name.split(".")[0]
        if top == "tests" or (top in ORDER and top not in allowed):
            yield f"{module.path}:{line} imports {name}"


def schemas_are_entered_by_one_door(module: Module) -> Iterator[str]:
    """Entering a schema anywhere but inside the synchronous function read another tenant half of the time."""
    if module.is_in(DOOR_1):
        return
    doors = {"schema_context", "tenant_context", "set_schema", "set_tenant", "set_schema_to_public"}
    for line, name in _names(module.tree):
        if name in doors and not _excused("schemas_are_entered_by_one_door", module, module.function_at(line)):
            yield f"{module.path}:{line} uses {name}: only tenants/schema.py may"
    for node in ast.walk(module.tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and "set search_path" in text.lower():
            yield f"{module.path}:{node.lineno} sets search_path: only tenants/schema.py may"


def threads_are_crossed_by_one_door(module: Module) -> Iterator[str]:
    """`hop` is the only way from async code to the database."""
    if module.is_in(DOOR_1):
        return
    for line, name in _names(module.tree):
        if name in {"sync_to_async", "database_sync_to_async", "async_to_sync"}:
            yield f"{module.path}:{line} uses {name}: call tenants.schema.hop"


def the_channel_layer_has_one_door(module: Module) -> Iterator[str]:
    """Group names are built, and pushes are sent, in tenants/push.py."""
    if module.is_in(DOOR_2):
        return
    for line, name in _names(module.tree):
        if name in {"get_channel_layer", "channel_layer", "group_send", "group_add", "group_discard"}:
            yield f"{module.path}:{line} uses {name}: only tenants/push.py may"


def consumers_touch_no_rows(module: Module) -> Iterator[str]:
    """A consumer parses, hops to one action, and replies: no ORM, no model, no Slack."""
    if not re.search(r"(^|/)consumers(\.py$|/)", module.path):
        return
    for line, name in module.imports:
        if name.startswith(("django.db", "slack_sdk")) or ".models" in name or ".slack" in name:
            yield f"{module.path}:{line} imports {name}"
    for line, name in _names(module.tree):
        if name == "objects":
            yield f"{module.path}:{line} uses the ORM"
    for cls in (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)):
        for method in cls.body:
            lines = _body_lines(method) if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) else 0
            if lines > CONSUMER_LINES:
                yield f"{module.path}:{method.lineno} a method has {lines} lines of {CONSUMER_LINES}"


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, its docstring apart."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def the_orm_is_synchronous(module: Module) -> Iterator[str]:
    """The async ORM runs on a thread whose schema anybody may have set."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ASYNC_ORM.match(node.func.attr):
            yield f"{module.path}:{node.lineno} calls .{node.func.attr}()"
        is_loop = isinstance(node, ast.AsyncFor | ast.comprehension) and getattr(node, "is_async", 1)
        if is_loop and any(name == "objects" for _, name in _names(node.iter)):
            yield f"{module.path}:{node.iter.lineno} iterates a queryset asynchronously"


def outside_services_have_adapters(module: Module) -> Iterator[str]:
    """One file per outside service imports its client, with explicit timeouts."""
    for line, name in module.imports:
        for client, places in CLIENTS.items():
            imported = name == client or name.startswith(client + ".")
            if imported and not module.is_in(places):
                yield f"{module.path}:{line} imports {name}: only {', '.join(places) or 'nobody'} may"


def no_signals_of_our_own(module: Module) -> Iterator[str]:
    """builtabot/wiring.py is the whole map of who reacts to what."""
    for line, name in module.imports:
        if name.startswith(SIGNALS):
            yield f"{module.path}:{line} imports {name}"


def files_are_named_for_their_subject(module: Module) -> Iterator[str]:
    """No drawers."""
    for part in module.path.removesuffix(".py").split("/"):
        if DRAWERS.match(part):
            yield f"{module.path}: `{part}` says nothing"


def functions_and_files_are_short(module: Module) -> Iterator[str]:
    """60 lines a function, 400 a file, four positional parameters."""
    lines = module.text.count("\n")
    if lines > FILE_LINES:
        yield f"{module.path} has {lines} lines of {FILE_LINES}"
    for function in module.functions:
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > FUNCTION_LINES:
            yield f"{module.path}:{function.lineno} {function.name} has {length} lines of {FUNCTION_LINES}"
        names = [arg.arg for arg in [*function.args.posonlyargs, *function.args.args]]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > POSITIONAL and not _excused("functions_and_files_are_short", module, function.name):
            yield f"{module.path}:{function.lineno} {function.name} takes {count} positional parameters"


def saves_name_their_fields(module: Module) -> Iterator[str]:
    """`save()` without `update_fields` writes back what somebody else has changed since."""
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "save"):
            continue
        owner = node.func.value
        is_super = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
        if is_super or node.args or (isinstance(owner, ast.Name) and owner.id in NOT_ROWS):
            continue  # a row's save takes no positional argument; a picture's or a storage's does
        named = any(keyword.arg in {"update_fields", "force_insert"} for keyword in node.keywords)
        if not named and not _excused("saves_name_their_fields", module, module.function_at(node.lineno)):
            yield f"{module.path}:{node.lineno} saves without update_fields"


def actions_are_keyword_only(module: Module) -> Iterator[str]:
    """The verbs of an app name what they are given. A verb is what opens its own transaction; the building
    blocks below it run in their caller's."""
    if not re.search(r"(^|/)actions(\.py$|/)", module.path):
        return
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        taken = [arg.arg for arg in [*node.args.posonlyargs, *node.args.args]]
        if taken and any(name == "atomic" for _, name in _names(node)):
            yield f"{module.path}:{node.lineno} {node.name} takes {', '.join(taken)} by position"


def events_are_frozen_primitives(module: Module) -> Iterator[str]:
    """An event outlives its transaction and its process: no rows in it."""
    if not module.path.endswith("/events.py") or module.path == "tenants/events.py":
        return
    for cls in (node for node in module.tree.body if isinstance(node, ast.ClassDef)):
        if not any(ast.unparse(decorator) == "dataclass(frozen=True)" for decorator in cls.decorator_list):
            yield f"{module.path}:{cls.lineno} {cls.name} is not a frozen dataclass"
        for field in (node for node in cls.body if isinstance(node, ast.AnnAssign)):
            words = set(re.findall(r"\w+", ast.unparse(field.annotation)))
            if not words <= PRIMITIVES:
                yield f"{module.path}:{field.lineno} {cls.name} carries {ast.unparse(field.annotation)}"


def the_environment_is_read_once(module: Module) -> Iterator[str]:
    """Settings come from django.conf; only the composition root reads variables."""
    if module.is_in(ENVIRONMENT):
        return
    for line, name in _names(module.tree):
        if name in {"environ", "getenv"} and not _excused("the_environment_is_read_once", module, name):
            yield f"{module.path}:{line} reads the environment"


def nothing_forks(module: Module) -> Iterator[str]:
    """Forking a process that holds OpenMP hangs; children start by subprocess."""
    for line, name in module.imports:
        if name.startswith(FORK) or name.endswith("ProcessPoolExecutor"):
            yield f"{module.path}:{line} imports {name}"
    for line, name in _names(module.tree):
        if name in {"fork", "forkpty"}:
            yield f"{module.path}:{line} forks"


def html_is_made_safe_in_one_place(module: Module) -> Iterator[str]:
    """Text becomes markup in the allow-list renderer only."""
    if module.is_in(SAFE_HTML):
        return
    calls = (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    for line, name in (named for call in calls for named in _names(call.func)):
        if name in {"mark_safe", "SafeString", "SafeText"}:
            subject = module.function_at(line) or name
            if not _excused("html_is_made_safe_in_one_place", module, subject):
                yield f"{module.path}:{line} calls {name}: only {SAFE_HTML[0]} may"


def type_ignores(module: Module) -> list[tuple[int, str]]:
    """(line, comment) of every `type: ignore`, comments only, never strings."""
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    return [
        (token.start[0], token.string)
        for token in tokens
        if token.type == tokenize.COMMENT and re.match(r"#\s*type:\s*ignore", token.string)
    ]


def ignores_have_a_reason(module: Module) -> Iterator[str]:
    """`# type: ignore[code]  # because ...`: the code, and why, on the same line."""
    for line, comment in type_ignores(module):
        if not re.match(r"#\s*type:\s*ignore\[[\w, -]+\]\s+#?\s*\w{2,}.{8,}", comment):
            yield f"{module.path}:{line} {comment}"


RULES: tuple[Rule, ...] = (
    imports_point_left,
    schemas_are_entered_by_one_door,
    threads_are_crossed_by_one_door,
    the_channel_layer_has_one_door,
    consumers_touch_no_rows,
    the_orm_is_synchronous,
    outside_services_have_adapters,
    no_signals_of_our_own,
    files_are_named_for_their_subject,
    functions_and_files_are_short,
    saves_name_their_fields,
    actions_are_keyword_only,
    events_are_frozen_primitives,
    the_environment_is_read_once,
    nothing_forks,
    html_is_made_safe_in_one_place,
    ignores_have_a_reason,
)
