"""Every exception of the tenant matrix, in one place, each with its reason. A stale one fails the matrix."""

# Route (as tests/matrix/routes.py names it) -> why its answer to its own tenant's owner need not carry the
# tenant's marker. What it shows of others is still checked.
NO_OWN_TEXT: dict[str, str] = {}

# Route -> why "not yours" and "missing" may read differently.
TELLS_APART: dict[str, str] = {}

# Route -> why it is not asked at all.
SKIPPED: dict[str, str] = {}

# Celery task -> why it takes no schema.
PUBLIC_TASKS: dict[str, str] = {
    "tenants.sweep_due": "Reads the shared table of waiting work and sends tasks that carry a schema.",
    "tenants.settle_due": "Deletes one receipt in the shared table of waiting work.",
    "tenants.beat": "Writes a sign of life in the shared schema.",
}
