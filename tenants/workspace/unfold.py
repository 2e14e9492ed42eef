"""How the two admins look: unfold's settings, in the colours of static/css/tokens.css."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

_STONE = {
    "50": "#f8f6f3",
    "100": "#efeeea",
    "200": "#dedcd8",
    "300": "#c7c5c2",
    "400": "#aca9a3",
    "500": "#6a6863",
    "600": "#565450",
    "700": "#46433e",
    "800": "#2f2d2a",
    "900": "#1b1916",
    "950": "#141310",
}
_PETROL = {
    "50": "#eef9fc",
    "100": "#d8f3fb",
    "200": "#b4e6f4",
    "300": "#83d4ea",
    "400": "#45bad6",
    "500": "#45bad6",
    "600": "#026376",
    "700": "#024c5b",
    "800": "#013541",
    "900": "#013541",
    "950": "#00232b",
}


def _item(title: str, icon: str, link: Any, description: str = "") -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": link, "description": description}


def _list_of(model: str) -> Any:
    return reverse_lazy(f"admin:{model}_changelist")


_LOOK: dict[str, Any] = {
    "SITE_TITLE": "BuiltABot",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("img/favicon.svg")}],
    "SITE_ICON": lambda _request: static("img/favicon.svg"),
    "STYLES": [lambda _request: static("css/admin.css")],
    "SCRIPTS": [lambda _request: static("js/admin.js")],
    "COLORS": {
        "base": _STONE,
        "primary": _PETROL,
        "font": {
            "subtle-light": "#6a6863",
            "subtle-dark": "#a19c92",
            "default-light": "#46433e",
            "default-dark": "#d9d4c9",
            "important-light": "#1b1916",
            "important-dark": "#f1eee8",
        },
    },
    "BORDER_RADIUS": "6px",
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": True,
}

UNFOLD: dict[str, Any] = {
    **_LOOK,
    "SITE_HEADER": lambda request: request.tenant.name,
    "SITE_SUBHEADER": "Settings",
    "SITE_URL": None,
    "ACCOUNT": {
        "navigation": [{"title": "Live Support", "link": "/live/"}, {"title": "Insights", "link": "/insights/"}]
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "",
                "items": [
                    {**_item("Live Support", "support_agent", "/live/"), "active": False},
                    {**_item("Insights", "bar_chart", "/insights/"), "active": False},
                    {**_item("Set up", "task_alt", "/setup/"), "active": False},
                ],
            },
            {
                "title": "Chatbot",
                "separator": True,
                "items": [
                    _item(
                        "Projects",
                        "chat_bubble",
                        _list_of("workspace_project"),
                        "One chatbot each: look, triggers, hours, model, and the line for your site.",
                    ),
                ],
            },
            {
                "title": "Content",
                "items": [
                    _item(
                        "Sources",
                        "menu_book",
                        _list_of("knowledge_source"),
                        "Add your help centre, read it again, or write an answer yourself.",
                    ),
                    _item(
                        "Pages",
                        "description",
                        _list_of("knowledge_document"),
                        "What was read, in how many words, and what could not be read.",
                    ),
                    _item(
                        "Knowledge gaps",
                        "help_center",
                        _list_of("insights_knowledgegap"),
                        "Questions that found no good answer.",
                    ),
                ],
            },
            {
                "title": "Team",
                "items": [
                    _item("People", "group", _list_of("workspace_seat"), "Who may do what, and in which projects."),
                    {**_item("Plan", "sell", "/plan/", "What is used, and until when it runs."), "active": False},
                ],
            },
            {
                "title": "Records",
                "items": [
                    _item(
                        "Conversations",
                        "forum",
                        _list_of("chat_conversation"),
                        "Every conversation with its transcript, to be read.",
                    ),
                    _item("Leads", "mail", _list_of("livesupport_lead"), "Visitors who want to be written to."),
                    _item("Changes", "history", _list_of("workspace_auditentry"), "Who did what, and when."),
                    _item(
                        "Outgoing",
                        "outbox",
                        _list_of("workspace_outboxentry"),
                        "What is on its way to Slack or a mailbox, and what keeps it.",
                    ),
                ],
            },
        ],
    },
}

UNFOLD_PLATFORM: dict[str, Any] = {
    **_LOOK,
    "SITE_HEADER": "BuiltABot",
    "SITE_SUBHEADER": "Platform",
    "SITE_URL": None,
    "ACCOUNT": {"navigation": [{"title": "Home page", "link": "/"}]},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Customers",
                "items": [
                    _item(
                        "Tenants", "apartment", _list_of("tenants_tenant"), "Who is a customer, and what they pay for."
                    ),
                    _item("Domains", "language", _list_of("tenants_domain"), "Which host name leads to whom."),
                    _item("Plans", "sell", _list_of("tenants_plan"), "Prices and limits."),
                ],
            },
            {
                "title": "People",
                "items": [
                    _item("Users", "person", _list_of("tenants_user"), "Who signs in."),
                    _item("Memberships", "badge", _list_of("tenants_membership"), "Who may enter which tenant."),
                ],
            },
            {
                "title": "Works",
                "items": [
                    _item(
                        "Heartbeats",
                        "favorite",
                        _list_of("tenants_heartbeat"),
                        "When each kind of worker last gave a sign of life.",
                    ),
                    _item("Work that is due", "schedule", _list_of("tenants_due"), "Which tenants have work waiting."),
                    _item(
                        "Outside addresses",
                        "alt_route",
                        _list_of("tenants_externalroute"),
                        "Which outside address belongs to whom.",
                    ),
                    _item(
                        "Outside calls",
                        "call_received",
                        _list_of("tenants_externalevent"),
                        "What came in from outside, and whether it was handled.",
                    ),
                ],
            },
        ],
    },
}
