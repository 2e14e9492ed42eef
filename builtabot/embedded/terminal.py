"""What the person at the terminal sees while the product starts."""

import sys
import time


class Progress:
    """Steps with their times; the step under way is redrawn in place on a terminal.

    Into a file or a pipe, each new state of a step is one line.
    """

    def __init__(self) -> None:
        self._redraws = sys.stdout.isatty()
        self._open = ""
        self._begun = time.monotonic()
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self._close()
        self._write(text + "\n")

    def update(self, text: str) -> None:
        """Show what is under way; the same text again is not news, and a pipe gets a line in 3 s at most."""
        now = time.monotonic()
        if text == self._open or (not self._redraws and self._open and now - self._shown_at < 3):
            return
        self._shown_at = now
        if self._redraws:
            self._write(f"\r\x1b[K  {text}")
        else:
            self._write(f"  {text}\n")
        self._open = text

    def done(self, step: str, since: float) -> None:
        """Write a finished step; `since` is its start on the monotonic clock."""
        if self._redraws and self._open:
            self._write("\r\x1b[K")
        self._open = ""
        self._write(f"  {step:<34}{time.monotonic() - since:5.1f} s\n")

    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._begun

    def _close(self) -> None:
        if self._open and self._redraws:
            self._write("\n")
        self._open = ""

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
