"""What each party sent, had confirmed and was shown, in order, each with the time on the machine's monotonic clock."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Journal:
    """Rows `{"t", "party", "what", ...}` in memory and, line by line, in a file.

    `sent` (into the outbox) `acked` `refused`: with `client_id`. `shown`: an entry joined what the party sees.
    `stream`: a piece of an AI answer was drawn. `owner`: a state frame was heard. `up`, `down`: its socket.
    `claim`: an agent's attempt and its answer. `fault`: what the harness broke, with `until`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.rows: list[Row] = []
        self._file = path.open("w", encoding="utf-8") if path else None

    def write(self, party: str, what: str, **fields: Any) -> Row:
        row = {"t": time.monotonic(), "party": party, "what": what, **fields}
        self.rows.append(row)
        if self._file:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return row

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def of(rows: Iterable[Row], *whats: str) -> list[Row]:
    """The rows of some kinds, in order."""
    return [row for row in rows if row["what"] in whats]
