"""A tenant's content: where it comes from, how far its reading is, and what was read."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from knowledge import actions
from knowledge.errors import KnowledgeError
from knowledge.forms import SourceForm
from knowledge.models import CrawlRun, Document, Source
from knowledge.policies import FETCHED, WRITTEN, is_open
from knowledge.uploads import add_file, replace_file
from tenants.access import TenantRequest
from tenants.errors import ProductError
from tenants.workspace.actions import record
from tenants.workspace.admin_site import WorkspaceAdmin, acting_seat, workspace_site
from tenants.workspace.policies import projects_of

STATE_COLOURS = {"Waiting": "warning", "Running": "info", "Done": "success", "Failed": "danger", "Cancelled": "warning"}
SHOWN_FAILURES = 8
SHOWN_LEFT_OUT = 50
# How a page that is left out begins to say why (knowledge/crawl/run.py), and how many of them say it together.
_LEFT_OUT = (
    ("The page only leads to other pages.", "page only leads to other pages", "pages only lead to other pages"),
    ("This address leads", "address leads to another", "addresses lead to others"),
    ("The same page", "address shows a page that has another", "addresses show a page that has another"),
    ("Another page has the same text.", "page says the same as another", "pages say the same as another"),
    ("", "page was left out", "pages were left out"),
)
FILE = Source.Kind.FILE


class SourceAdmin(WorkspaceAdmin):
    """Everything that changes a source goes through knowledge.actions; this page only asks."""

    form = SourceForm
    refusals: ClassVar[tuple[type[Exception], ...]] = (ProductError, KnowledgeError)
    project_path = "project"
    adds = changes = deletes = True
    list_display = ("title", "kind", "project", "shown_state", "pages")
    list_display_links = ("title",)
    list_filter = ("project", "kind")
    list_select_related = ("project",)
    search_fields = ("name", "url")
    conditional_fields: ClassVar[dict[str, str]] = {
        "url": "typeof kind === 'undefined' || ['site', 'sitemap', 'page'].includes(kind)",
        "text": "typeof kind === 'undefined' || ['faq', 'text'].includes(kind)",
        "uploads": "typeof kind === 'undefined' || kind === 'file'",
    }
    change_form_outer_before_template = "admin/knowledge/source/reading.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        newest = CrawlRun.objects.filter(source=OuterRef("pk")).order_by("-pk")
        live = Count("documents", filter=Q(documents__is_live=True))
        return super().get_queryset(request).annotate(newest_state=Subquery(newest.values("state")[:1]), live=live)

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("project", "kind", "url", "uploads", "name", "text", "prompted_by")
        if obj.kind in WRITTEN:
            return ("project", "kind", "name", "text")
        middle = ("file", "uploads") if obj.kind == FILE else ("url",)
        return ("project", "kind", *middle, "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        """Another address is another source: what was read would belong to neither."""
        if obj is None:
            return ()
        if obj.kind in WRITTEN:
            return ("project", "kind")
        return ("project", "kind", "file") if obj.kind == FILE else ("project", "kind", "url")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """`uploads` is a field of the form alone, which Django would look for among the row's."""
        kwargs["fields"] = [name for name in self.get_fields(request, obj) if name not in ("file", "uploads")]
        return super().get_form(request, obj, change, **kwargs)

    def get_changeform_initial_data(self, request: TenantRequest) -> dict[str, Any]:
        """What the address names (a knowledge gap's link does); the project, where there is but one."""
        projects = list(projects_of(acting_seat(request)).values_list("pk", flat=True)[:2])
        only = {"project": projects[0]} if len(projects) == 1 else {}
        return {**only, **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The project without the buttons that would make or change one on the way."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "project" and field is not None:
            field.empty_label = "Choose a project"
            field.widget = UnfoldAdminSelectWidget(choices=field.choices)
        return field

    def get_urls(self) -> list[Any]:
        own = [
            path("<path:object_id>/read/", self._post(self.read), name="knowledge_source_read"),
            path("<path:object_id>/cancel/", self._post(self.cancel), name="knowledge_source_cancel"),
            path(
                "<path:object_id>/progress/",
                self.admin_site.admin_view(self.progress),
                name="knowledge_source_progress",
            ),
        ]
        return own + super().get_urls()

    def _post(self, verb: Any) -> Any:
        """A button: POST only, for those who may change a source; back to the source's page."""

        def view(request: TenantRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            source = self._source(request, object_id)
            if not self.has_change_permission(request, source):
                raise PermissionDenied
            verb(request, source)
            return HttpResponseRedirect(reverse("admin:knowledge_source_change", args=[source.pk]))

        return self.admin_site.admin_view(view)

    def _source(self, request: HttpRequest, object_id: str) -> Source:
        source = self.get_object(request, unquote(object_id))
        if source is None:
            raise Http404
        return source

    def read(self, request: TenantRequest, source: Source) -> None:
        actions.start_crawl(source=source)
        self._note(request, source, "read again")
        messages.success(request, "Reading it again. The old content answers until the new is whole.")

    def cancel(self, request: TenantRequest, source: Source) -> None:
        run = source.runs.order_by("-pk").first()
        if run is None or not is_open(run):
            messages.info(request, "Nothing is being read.")
            return
        run = actions.cancel_crawl(run=run)
        self._note(request, source, "cancelled reading")
        told = "Stopping before the next page." if is_open(run) else "Cancelled."
        messages.success(request, f"{told} What answered before still answers.")

    def _note(self, request: TenantRequest, source: Source, verb: str) -> None:
        data = {"model": self.opts.label_lower, "id": str(source.pk), "text": ""}
        record(seat=acting_seat(request), verb=verb, subject=str(source), data=data)

    def progress(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The partial that the change page asks for every two seconds while a run is open."""
        context = reading(self._source(request, object_id))
        return render(request, "admin/knowledge/source/_progress.html", context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        source = self.get_object(request, unquote(object_id)) if object_id else None
        context = reading(source) if source else {}
        return super().changeform_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def save_model(self, request: TenantRequest, obj: Source, form: SourceForm, change: bool) -> None:
        """New content is read at once; so is a text that was changed, and a file that was replaced."""
        uploads = form.cleaned_data.get("uploads") or []
        if change:
            actions.change_source(source=obj, name=obj.name, text=obj.text)
            for upload in uploads[:1]:
                replace_file(source=obj, content=upload, file_name=upload.name or "")
            if uploads or "text" in form.changed_data or (obj.kind in WRITTEN and "name" in form.changed_data):
                actions.start_crawl(source=obj)
            return
        sources = self._add(obj, uploads)
        for source in sources:
            actions.start_crawl(source=source)
        for source in sources[1:]:  # Django notes the first
            self._note(request, source, "added source")
        # Django goes on with the row it made from the form: let it be the one the action stored.
        obj.pk, obj._state, obj.name = sources[0].pk, sources[0]._state, sources[0].name

    def _add(self, obj: Source, uploads: list[UploadedFile[Any]]) -> list[Source]:
        """What the form asks for: one source, or one for each file."""
        if obj.kind != FILE:
            fields = {"url": obj.url, "name": obj.name, "text": obj.text, "prompted_by": obj.prompted_by}
            return [actions.add_source(project=obj.project, kind=obj.kind, **fields)]
        name = obj.name if len(uploads) == 1 else ""
        more: dict[str, Any] = {"project": obj.project, "name": name, "prompted_by": obj.prompted_by}
        return [add_file(content=upload, file_name=upload.name or "", **more) for upload in uploads]

    def response_add(self, request: HttpRequest, obj: Source, post_url_continue: str | None = None) -> HttpResponse:
        """To the page that shows the reading; of several files, to the list that shows them all."""
        if len(request.FILES.getlist("uploads")) > 1 and obj.kind == FILE:
            return HttpResponseRedirect(reverse("admin:knowledge_source_changelist"))
        return HttpResponseRedirect(reverse("admin:knowledge_source_change", args=[obj.pk]))

    def delete_model(self, request: HttpRequest, obj: Source) -> None:
        actions.remove_source(source=obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What stops with it, in a line each, instead of a list of every passage."""
        told = []
        for source in objs:
            pages = source.documents.filter(is_live=True).count()
            told += [str(source), f"{pages} page{'' if pages == 1 else 's'} stop answering at once."]
        return told, {}, set(), []

    @display(description="File")
    def file(self, source: Source) -> SafeString:
        """What is uploaded now, with where visitors open it once it answers."""
        live = set(source.documents.filter(is_live=True).values_list("file", flat=True))
        shown = [(file, file.pk in live) for file in source.files.order_by("-created_at", "-pk")]
        return render_to_string("admin/knowledge/source/_files.html", {"files": shown})

    @display(description="Content", ordering="name")
    def title(self, source: Source) -> str:
        return str(source)

    @display(description="Last reading", label=STATE_COLOURS)
    def shown_state(self, source: Any) -> str:
        return CrawlRun.State(source.newest_state).label if source.newest_state else "Never"

    @display(description="Pages that answer", ordering="live")
    def pages(self, source: Any) -> int:
        return int(source.live)


def reading(source: Source) -> dict[str, Any]:
    """What the partial shows of a source: its newest run, how far it is, what could not be read, and what was left
    out on purpose."""
    run = source.runs.order_by("-pk").first()
    failures = run.documents.exclude(error="").exclude(state=Document.State.SKIPPED) if run else Document.objects.none()
    done = min(run.indexed + run.failed, run.found) if run else 0
    return {
        "source": source,
        "run": run,
        "is_open": run is not None and is_open(run),
        "done": done,
        "share": round(100 * done / run.found) if run and run.found else 0,
        "failures": failures.order_by("-pk")[:SHOWN_FAILURES],
        "left_out": left_out(run) if run else [],
        "next_at": run.finished_at + actions.REREAD if run and run.finished_at and source.kind in FETCHED else None,
        "live_pages": source.documents.filter(is_live=True).count(),
    }


def left_out(run: CrawlRun) -> list[dict[str, Any]]:
    """The pages that a run left out on purpose, by reason: `told` is how many in words, `pages` the first of them with
    what they add to that, `more` how many others there are."""
    pages = run.documents.filter(state=Document.State.SKIPPED).exclude(error="").only("url", "error").order_by("pk")
    groups: dict[tuple[str, str, str], list[tuple[Document, str]]] = {reason: [] for reason in _LEFT_OUT}
    for page in pages:
        reason = next(reason for reason in _LEFT_OUT if page.error.startswith(reason[0]))
        groups[reason].append((page, page.error if page.error != reason[0] else ""))
    return [
        {
            "told": f"{len(found):,} {one if len(found) == 1 else many}",
            "pages": found[:SHOWN_LEFT_OUT],
            "more": max(0, len(found) - SHOWN_LEFT_OUT),
        }
        for (_, one, many), found in groups.items()
        if found
    ]


class DocumentAdmin(WorkspaceAdmin):
    """A page as it was read: what the AI can quote from it."""

    project_path = "project"
    list_display = ("title_or_address", "source", "shown_state", "words", "language", "answers", "error")
    list_filter = ("state", "is_live", ("source", RelatedOnlyFieldListFilter), "language")
    list_select_related = ("source",)
    search_fields = ("title", "url")
    ordering = ("-is_live", "title")
    fields = readonly_fields = (
        "title",
        "url",
        "source",
        "shown_state",
        "error",
        "language",
        "words",
        "answers",
        "fetched_at",
        "passages",
    )

    @display(description="Page", ordering="title")
    def title_or_address(self, document: Document) -> str:
        return str(document)

    @display(
        description="State", ordering="state", label={"Read": "success", "Failed": "danger", "Left out": "primary"}
    )
    def shown_state(self, document: Document) -> str:
        return document.get_state_display()

    @display(description="Now", ordering="is_live", label={"Answers": "success", "Does not answer": "primary"})
    def answers(self, document: Document) -> str:
        return "Answers" if document.is_live else "Does not answer"

    @display(description="Passages")
    def passages(self, document: Document) -> SafeString:
        chunks = document.chunks.order_by("position")
        return render_to_string("admin/knowledge/document/_passages.html", {"chunks": chunks})


workspace_site.register(Source, SourceAdmin)
workspace_site.register(Document, DocumentAdmin)
