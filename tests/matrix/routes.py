"""Every address of both hosts, as the resolver knows them: a new route is in the matrix without anybody's doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern


@dataclass(frozen=True)
class Route:
    """One address. `parameters` are the names in its path; `name` has the namespaces before it."""

    name: str
    path: str
    parameters: tuple[str, ...]
    pattern: str
    view: Callable[..., Any] = field(compare=False)

    def __str__(self) -> str:
        return self.name or self.path

    def url(self, values: dict[str, str]) -> str:
        """The address with its parameters filled in."""
        filled = self.path
        for name in self.parameters:
            filled = filled.replace(f"{{{name}}}", values[name])
        return filled


def routes(urlconf: str) -> list[Route]:
    """All routes of a urlconf, included ones too."""
    return list(_walk(get_resolver(urlconf).url_patterns, "/", "", ()))


def tenant_routes() -> list[Route]:
    return routes(settings.ROOT_URLCONF)


def public_routes() -> list[Route]:
    return routes(settings.PUBLIC_SCHEMA_URLCONF)


def _walk(
    patterns: list[URLPattern | URLResolver], path: str, namespace: str, above: tuple[str, ...]
) -> Iterator[Route]:
    for each in patterns:
        here, names = _template(each)
        if isinstance(each, URLResolver):
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from _walk(each.url_patterns, path + here, inner, above + names)
            continue
        name = f"{namespace}{each.name}" if each.name else ""
        yield Route(name, path + here, above + names, str(each.pattern), each.callback)


def _template(each: URLPattern | URLResolver) -> tuple[str, tuple[str, ...]]:
    """The pattern as text with `{name}` for each parameter."""
    if isinstance(each.pattern, RegexPattern):
        return _from_regex(each.pattern)
    text = str(each.pattern)
    names = tuple(each.pattern.converters)
    for name in names:
        start = text.index("<", 0)
        end = text.index(">", start)
        text = text[:start] + f"{{{name}}}" + text[end + 1 :]
    return text, names


def _from_regex(pattern: RegexPattern) -> tuple[str, tuple[str, ...]]:
    from django.utils.regex_helper import normalize

    form, names = normalize(pattern._regex)[0]
    return form.replace("%(", "{").replace(")s", "}"), tuple(names)
