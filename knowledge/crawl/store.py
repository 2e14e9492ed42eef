"""What a crawl has read, as rows: documents and chunks that are not live until the run is whole."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import F

from knowledge import embed
from knowledge.actions import extend_lease
from knowledge.chunks import ChunkText, cut, header
from knowledge.crawl.run import PageRead, Visit
from knowledge.language import detect
from knowledge.models import Chunk, CrawlRun, Document

_BEAT_SECONDS = 1.0


class RunStore:
    """The rows of one claimed run. Every write renews the lease first, so a worker that lost it writes
    nothing more."""

    def __init__(self, run: CrawlRun) -> None:
        self._run = run
        self._beaten_at = 0.0
        counts = Counter(run.documents.values_list("state", flat=True))
        self._indexed, self._failed = counts[Document.State.OK], counts[Document.State.FAILED]
        self._fetched = sum(counts.values())
        self._found = run.found  # a run that goes on begins to count anew, and stops where it knows every page

    def visited(self) -> dict[str, Visit]:
        rows = self._run.documents.values_list("url", "links", "text_hash", "title", "state", "may_return")
        return {
            url: Visit(tuple(links), digest, state == Document.State.SKIPPED and len(links) == 1 and not title, later)
            for url, links, digest, title, state, later in rows
        }

    def live_urls(self) -> list[str]:
        live = Document.objects.filter(source=self._run.source_id, is_live=True)
        return list(live.order_by("pk").values_list("url", flat=True))

    def beat(self, *, found: int) -> None:
        if time.monotonic() - self._beaten_at >= _BEAT_SECONDS:
            self._renew(found)

    def keep(self, page: PageRead, *, found: int) -> None:
        language = _language(page)
        chunks = self._chunks(page, language, found)
        self._fetched += 1
        self._indexed += page.state == "ok"
        self._failed += page.state == "failed"
        with self._all_or_nothing():
            self._renew(found)
            document = Document.objects.create(
                source_id=self._run.source_id,
                project_id=self._run.source.project_id,
                run=self._run,
                file_id=page.file_id or None,
                url=page.url[:1000],
                title=page.title[:300],
                language=language,
                state=page.state,
                error=page.error[:300],
                may_return=page.may_return,
                text_hash=page.text_hash,
                links=list(page.links),
                words=sum(len(block.text.split()) for block in page.blocks),
            )
            for chunk in chunks:
                chunk.document = document
            Chunk.objects.bulk_create(chunks)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """A transaction whose failure also takes back the lease that this object remembers."""
        lease = self._run.lease_until
        try:
            with transaction.atomic():
                yield
        except BaseException:
            self._run.lease_until = lease
            raise

    def _renew(self, found: int) -> None:
        self._found = max(self._found, found)
        extend_lease(
            run=self._run, found=self._found, fetched=self._fetched, indexed=self._indexed, failed=self._failed
        )
        self._beaten_at = time.monotonic()

    def _chunks(self, page: PageRead, language: str, found: int) -> list[Chunk]:
        """The page's passages with their vectors; those whose text has not changed keep theirs."""
        rows: list[Chunk] = []
        known = self._known_vectors(page.url) if page.blocks else {}
        for position, text in enumerate(cut(page.blocks, embed.count_tokens)):
            self.beat(found=found)
            vector = known.get((page.title, text.heading, text.text))
            if vector is None:
                vector = embed.chunk_vector(header(page.title, text.heading), text.text)
            rows.append(self._row(text, position, language, vector))
        return rows

    def _row(self, text: ChunkText, position: int, language: str, vector: Any) -> Chunk:
        return Chunk(
            project_id=self._run.source.project_id,
            position=position,
            heading=text.heading,
            anchor=text.anchor,
            text=text.text,
            tokens=text.tokens,
            language=language,
            engine=embed.engine_in_use(),
            embedding=vector,
        )

    def _known_vectors(self, url: str) -> dict[tuple[str, str, str], Any]:
        """Vectors of the page as it answers now, by title, heading and text, if made by this engine."""
        rows = Chunk.objects.filter(
            document__source_id=self._run.source_id, document__url=url, is_live=True, engine=embed.engine_in_use()
        ).annotate(title=F("document__title"))
        return {(row.title, row.heading, row.text): row.embedding for row in rows}


def _language(page: PageRead) -> str:
    """What the text is written in; what the page claims only helps, since templates often claim wrongly."""
    if not page.blocks:
        return page.language
    text = " ".join(block.text for block in page.blocks[:40])
    return detect(f"{page.title} {text}", likely=(page.language,)) or page.language
