"""Errors that people and programs can act on. Each app derives one base from `ProductError`."""

from __future__ import annotations


class ProductError(Exception):
    """A refusal or failure with a stable snake_case `code`, whether trying again can help, and a sentence
    for the person who meets it. Translated once, at the edge that met it."""

    code = "error"
    retryable = False
    sentence = "That did not work."

    def __init__(self, sentence: str | None = None, *, code: str | None = None, retryable: bool | None = None) -> None:
        self.sentence = sentence or self.sentence
        self.code = code or self.code
        self.retryable = self.retryable if retryable is None else retryable
        super().__init__(self.sentence)


class TenantError(ProductError):
    """Base of this app's errors."""

    code = "tenant_error"


class SchemaMissing(TenantError):
    """A task or hop came without a tenant's schema: refused, nothing was read or written."""

    code = "schema_missing"
    sentence = "This work names no tenant."


class TicketRefused(TenantError):
    """The sign-in ticket is unknown, used, expired, or belongs to another host."""

    code = "ticket_refused"
    sentence = "This sign-in link is used up or too old. Sign in once more."


class NameTaken(TenantError):
    """The wanted address of the business is in use."""

    code = "name_taken"
    sentence = "This name is taken. Try another."


class LimitReached(TenantError):
    """The plan has no room for one more; the sentence says of what, and what makes room."""

    code = "limit_reached"
    sentence = "Your plan has no room for one more."


class PlanMoveRefused(TenantError):
    """The plan cannot go from its state to the wanted one."""

    code = "plan_move_refused"
    sentence = "The plan has changed meanwhile. Look again before you decide."
