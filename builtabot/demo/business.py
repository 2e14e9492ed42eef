"""The demo's customer as a tenant: what `seed_demo` fills in."""

from __future__ import annotations

from typing import Any

BUSINESS = "Acme Lampworks"
HELP_NAME = "Help centre"

# E-mail, name, role.
PEOPLE = (
    ("ana@acme.example", "Ana Ruiz", "owner"),
    ("tom@acme.example", "Tom Okafor", "agent"),
)

# Weekday from Monday = 0, opens, closes, in the project's time zone: as the help centre's contact page says.
HOURS = (*((day, "09:00", "18:00") for day in range(5)), (5, "10:00", "16:00"))

# The shop's own bottle green, and questions that its help centre answers.
PROJECT: dict[str, Any] = {
    "name": BUSINESS,
    "greeting": "Ask about orders, returns, or a lamp. A person is one tap away.",
    "suggestions": [
        "How long do I have to return a lamp?",
        "Where is my parcel?",
        "Which bulb fits my lamp?",
        "How do I set up the Beacon hub?",
    ],
    "brand_color": "#1d3b35",
    "language": "en",
    "timezone": "Europe/Dublin",
}
