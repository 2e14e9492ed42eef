"""The first part of a business's host name: how it is proposed, and which ones nobody may have."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from django.utils.text import slugify

LONGEST = 40
_FORM = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])")
# Names that look like ours, that mail and certificates rely on, or that a later page may need.
_KEPT = """
    abuse account accounts admin administrator api app apps assets autoconfig autodiscover billing blog
    bot builtabot cdn chat contact demo dev developer docs download email enter example forum ftp git go
    help hostmaster imap info insights internal invalid leave legal live localhost login logout mail
    media metrics mx news noreply ns ns1 ns2 oauth ops partner pop postmaster press pricing privacy
    public register root sales secure security settings setup shop signin signup slack smtp sso staff
    staging static status store stripe support system team terms test tests trial web webhook webhooks
    webmaster widget wpad ws www
"""
RESERVED = frozenset(_KEPT.split())


def problem_with(address: str) -> str:
    """Why an address cannot be had, in a sentence for the person who typed it; empty if it can."""
    if not _FORM.fullmatch(address) or "--" in address:
        return "2 to 40 small letters, digits and single hyphens, like north-lamp"
    if address in RESERVED:
        return "This word is kept for the service itself. Add another, like " + address + "-team"
    return ""


def propose(business: str, is_taken: Callable[[str], bool]) -> str:
    """A free address close to the business's name; a number, then random characters, tell namesakes apart."""
    base = re.sub("-{2,}", "-", slugify(business).replace("_", "-"))[:32].strip("-")
    if len(base) < 2:
        base = "team-" + secrets.token_hex(2)
    if base in RESERVED:
        base += "-team"
    candidates = [base, *(f"{base}-{number}" for number in range(2, 10))]
    return next((each for each in candidates if not is_taken(each)), f"{base}-{secrets.token_hex(3)}")
