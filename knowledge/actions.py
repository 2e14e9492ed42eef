"""Every write to content that a person could notice."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from knowledge import uploads, vectors
from knowledge.crawl.frontier import host_and_port
from knowledge.errors import KnowledgeError, RunStopped
from knowledge.events import CrawlFinished, CrawlQueued, SourceAdded
from knowledge.models import Chunk, CrawlRun, Document, Source
from knowledge.policies import FETCHED, OPEN, claimable, cut_sentence, full_sentence, is_open, may_move, page_room
from knowledge.targets import parse
from tenants import due
from tenants.actions import beat
from tenants.events import publish
from tenants.models import Tenant
from tenants.patience import take_time
from tenants.schema import current_schema
from tenants.workspace.models import Project

CRAWLS = "crawl"  # kinds of work in the public Due table
REREADS = "recrawl"
LEASE_SECONDS = 60
MOST_ATTEMPTS = 3  # what kills its worker would kill the next one, for ever
REREAD = timedelta(hours=24)
CARRY = timedelta(days=14)  # how long a page that cannot be read answers as it was: no outage is longer
State = CrawlRun.State


def add_source(
    *, project: Project, kind: str, url: str = "", name: str = "", text: str = "", prompted_by: str = ""
) -> Source:
    """Note where content comes from; the same address twice is one source. Nothing is fetched yet.

    Raises FetchRefused for an address that no list could make fetchable, KnowledgeError without content.
    """
    fields = {"name": name, "prompted_by": prompted_by}
    if kind in (Source.Kind.FAQ, Source.Kind.TEXT):
        if not text.strip():
            raise KnowledgeError("source_empty", "There is no text to answer from.")
        with transaction.atomic():
            source = Source.objects.create(project=project, kind=kind, text=text, **fields)
            publish(SourceAdded(source.pk, source.project_id, prompted_by))
        return source
    # Whether a private host is on the operator's list is asked where the fetch happens, not here.
    parse(url, allow_private=frozenset({host_and_port(url)}))
    with transaction.atomic():
        source, is_new = Source.objects.get_or_create(project=project, kind=kind, url=url, defaults=fields)
        if is_new:
            publish(SourceAdded(source.pk, source.project_id, prompted_by))
    return source


def start_crawl(*, source: Source) -> CrawlRun:
    """Queue a reading of a source. A run that already waits or works is returned as it is."""
    with transaction.atomic():
        Source.objects.select_for_update().get(pk=source.pk)
        open_run = source.runs.filter(state__in=OPEN).first()
        if open_run:
            return open_run
        run = CrawlRun.objects.create(source=source)
        publish(CrawlQueued(run.pk, source.pk, source.project_id))
        due.note(CRAWLS, timezone.now())
        return run


def cancel_crawl(*, run: CrawlRun) -> CrawlRun:
    """End a run: at once if it waits, before its next page if it works. What answers now keeps answering."""
    with transaction.atomic():
        run = CrawlRun.objects.select_for_update().select_related("source").get(pk=run.pk)
        if run.state == State.QUEUED:
            Chunk.objects.filter(document__run=run).delete()
            return _end(run, State.CANCELLED, "")
        if is_open(run):
            run.cancel_requested = True
            run.save(update_fields=["cancel_requested"])
        return run


def claim_crawl(*, run_id: int | None = None) -> CrawlRun | None:
    """Take a waiting or abandoned run (or the one named), or None: what needs no fetching first, then the oldest.
    One caller wins each. A run that was abandoned too often ends here.

    The lease's time is also its fence: only who knows the last one may extend it (`extend_lease`).
    """
    now = timezone.now()
    is_fetched = Case(When(source__kind__in=FETCHED, then=Value(1)), default=Value(0))
    with transaction.atomic():
        runs = CrawlRun.objects.select_for_update(skip_locked=True, of=("self",)).filter(claimable(now))
        named = runs.filter(pk=run_id) if run_id is not None else runs
        while run := named.select_related("source").order_by(is_fetched, "queued_at", "pk").first():
            if run.attempts < MOST_ATTEMPTS:
                return _take(run, now)
            Chunk.objects.filter(document__run=run).delete()
            _end(run, State.FAILED, f"The reading broke off {MOST_ATTEMPTS} times, and was given up.")
        return None


def _take(run: CrawlRun, now: datetime) -> CrawlRun:
    if run.started_at is None:
        run.started_at, run.content_version = now, run.source.content_version
    run.state, run.attempts = State.RUNNING, run.attempts + 1
    run.lease_until = now + timedelta(seconds=LEASE_SECONDS)
    run.save(update_fields=["state", "started_at", "content_version", "attempts", "lease_until"])
    due.note(CRAWLS, run.lease_until)
    return run


def pause_crawl(*, run: CrawlRun) -> CrawlRun:
    """Put a run whose turn is over back into the queue, behind the tenant's others. What it has read is kept.

    Raises RunStopped if it was cancelled or taken over meanwhile.
    """
    with transaction.atomic():
        held = _lock_held(run)
        if held.cancel_requested:
            raise RunStopped("cancelled", "This crawl was cancelled.")
        held.state, held.lease_until, held.attempts, held.queued_at = State.QUEUED, None, 0, timezone.now()
        held.save(update_fields=["state", "lease_until", "attempts", "queued_at"])
        due.note(CRAWLS, held.queued_at)
        return held


def extend_lease(*, run: CrawlRun, **progress: int) -> None:
    """Say that a run lives, and how far it is. Raises RunStopped if it was cancelled or taken over."""
    until = max(timezone.now() + timedelta(seconds=LEASE_SECONDS), _after(run.lease_until))
    held = CrawlRun.objects.filter(pk=run.pk, state=State.RUNNING, lease_until=run.lease_until)
    # Before the write: a caller's transaction that this ends would take the new lease back with it.
    if held.filter(cancel_requested=True).exists():
        raise RunStopped("cancelled", "This crawl was cancelled.")
    if not held.update(lease_until=until, **progress):
        raise RunStopped("lease_lost", "Another worker has taken this crawl over.")
    run.lease_until = until
    beat("index")  # a long reading holds the queue's thread, and with it the queue's own sign of life


def note_open_crawls() -> None:
    """Have the sweep come back when the next lease ends, so that no run is left behind by a dead worker."""
    with transaction.atomic():
        waiting = CrawlRun.objects.filter(state__in=OPEN)
        next_end = waiting.exclude(lease_until=None).order_by("lease_until").first()
        if waiting.filter(state=State.QUEUED).exists():
            due.note(CRAWLS, timezone.now())
        elif next_end and next_end.lease_until:
            due.note(CRAWLS, next_end.lease_until)


def finish_crawl(*, run: CrawlRun, note: str = "") -> CrawlRun:
    """End a run that has read everything: its pages answer from now on and the old ones vanish, at once. `note`
    says why it was not quite everything.

    A page that could not be read now, and is not said to be gone, goes on answering as it was last read. Pages
    beyond what the plan has left by now are dropped. A run without a single readable page fails instead, and the
    old content stays. A source whose content has changed meanwhile is queued again. Raises RunStopped if the lease
    was lost meanwhile.
    """
    with transaction.atomic():
        take_time()
        tenant = _hold_tenant()
        held = _lock_held(run)
        documents = Document.objects.filter(run=held, state=Document.State.OK)
        if not documents.exists():
            return _end_and_follow(held, State.FAILED, _why_nothing(held))
        room = page_room(tenant, held.source)
        if room is not None and room <= 0:
            return _end_and_follow(held, State.FAILED, full_sentence(tenant))
        notes = [note, _carry_over(held), _cut(documents, room)]
        Chunk.objects.filter(document__in=documents).update(is_live=True)
        documents.update(is_live=True)
        Document.objects.filter(source=held.source).exclude(run=held).delete()
        uploads.drop_superseded(source_id=held.source_id, run=held)
        held.indexed = documents.count()
        Source.objects.filter(pk=held.source_id).update(live_run=held)
        vectors.note_stale(project_id=held.source.project_id)
        due.note(CRAWLS, timezone.now())  # its words are indexed next, by another worker if this one dies
        return _end_and_follow(held, State.DONE, " ".join(filter(None, dict.fromkeys(notes))))


def stop_crawl(*, run: CrawlRun, error: KnowledgeError) -> CrawlRun | None:
    """End a run that could not go on. Its pages never answered; the old content stays.

    None, and nothing written, where another worker holds the run now, or the source is gone.
    """
    with transaction.atomic():
        try:
            held = _lock_held(run)
        except RunStopped:
            return None
        if error.code == "cancelled":
            Chunk.objects.filter(document__run=held).delete()
            return _end(held, State.CANCELLED, "")
        return _end_and_follow(held, State.FAILED, error.sentence)


def change_source(*, source: Source, name: str, text: str) -> None:
    """Give a source another name, or a written one another text. Read it again for the text to answer."""
    Source.objects.filter(pk=source.pk).update(name=name, text=text, content_version=F("content_version") + 1)


def remove_source(*, source: Source) -> None:
    """Forget a source: its pages stop answering, and its file stops opening, with this commit."""
    with transaction.atomic():
        source.delete()
        uploads.note_leftovers()


def reread_sources() -> int:
    """Queue the daily reading of every source that is fetched and due; how many. Notes when the next is.

    A day counts from the end of the last reading, whatever came of it.
    """
    now = timezone.now()
    newest = CrawlRun.objects.filter(source__kind__in=FETCHED).order_by("source", "-pk").distinct("source")
    ended = [(run.source, run.finished_at) for run in newest.select_related("source") if run.finished_at]
    late = [source for source, at in ended if at <= now - REREAD]
    for source in late:
        start_crawl(source=source)
    waiting = [at for source, at in ended if source not in late]
    if waiting:
        with transaction.atomic():
            due.note(REREADS, min(waiting) + REREAD)
    return len(late)


def _hold_tenant() -> Tenant:
    """The present tenant, its row held: of two readings that end at once only one gets the plan's last pages."""
    rows = Tenant.objects.select_for_update(of=("self",), no_key=True).select_related("plan")
    tenant: Tenant = rows.get(schema_name=current_schema())
    return tenant


def _lock_held(run: CrawlRun) -> CrawlRun:
    """The source's row and then the run's, both held: in the order of `start_crawl`."""
    source = Source.objects.select_for_update(no_key=True).filter(pk=run.source_id).first()
    held = CrawlRun.objects.select_for_update().filter(pk=run.pk).first()
    if source is None or held is None:
        raise RunStopped("source_removed", "The source was removed.")
    if held.state != State.RUNNING or held.lease_until != run.lease_until:
        raise RunStopped("lease_lost", "Another worker has taken this crawl over.")
    held.source = source
    return held


def _carry_over(run: CrawlRun) -> str:
    """Give a locked run the live pages that it could not read now, with their passages; a sentence about them.

    Only a page that is said to be gone, or that the source no longer reaches, stops answering at once: a shop that
    is down at night must not have forgotten its help centre in the morning.
    """
    missed = {page.url: page for page in Document.objects.filter(run=run, may_return=True)}
    since = timezone.now() - CARRY
    live = Document.objects.filter(source=run.source, is_live=True, url__in=missed, fetched_at__gt=since)
    kept = list(live.exclude(run=run))
    for page in kept:
        page.run, page.error = run, f"{missed[page.url].error} What was read before still answers."[:300]
    Document.objects.filter(run=run, url__in=[page.url for page in kept]).delete()
    Document.objects.bulk_update(kept, ["run", "error"])
    count = f"{len(kept):,} pages" if len(kept) > 1 else "One page"
    return f"{count} could not be read now. What was read before still answers." if kept else ""


def _cut(documents: QuerySet[Document], room: int | None) -> str:
    """Drop the pages read last that the plan has no room for; a sentence if there were any."""
    surplus = list(documents.order_by("pk").values_list("pk", flat=True)[room:]) if room is not None else []
    Document.objects.filter(pk__in=surplus).delete()
    return cut_sentence(room) if surplus and room is not None else ""


def _end_and_follow(run: CrawlRun, state: CrawlRun.State, error: str) -> CrawlRun:
    """End a locked run, and queue another if the content is not what it was when the run was first taken."""
    if state == State.FAILED:
        Chunk.objects.filter(document__run=run).delete()
    ended = _end(run, state, error)
    if run.source.content_version != run.content_version:
        start_crawl(source=run.source)
    return ended


def _end(run: CrawlRun, state: CrawlRun.State, error: str) -> CrawlRun:
    """Write the end of a locked run and tell about it."""
    if not may_move(run, state):
        raise KnowledgeError("run_ended", "This crawl has already ended.")
    run.state, run.error, run.finished_at, run.lease_until = state, error[:300], timezone.now(), None
    run.save(update_fields=["state", "error", "finished_at", "lease_until", "indexed"])
    publish(CrawlFinished(run.pk, run.source_id, run.source.project_id, state.value, run.indexed))
    if run.source.kind in FETCHED:
        due.note(REREADS, run.finished_at + REREAD)
    return run


def _why_nothing(run: CrawlRun) -> str:
    first = Document.objects.filter(~Q(error=""), run=run).order_by("pk").first()
    return f"No page with text was found. {first.error if first else ''}".strip()


def _after(lease_until: datetime | None) -> datetime:
    """Later than the last lease, if only just: equal times could not tell two holders apart."""
    return (lease_until or timezone.now()) + timedelta(microseconds=1)
