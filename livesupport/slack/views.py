"""Connecting a chatbot to Slack, on the tenant's host: for owners and admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from livesupport.models import SlackInstall
from livesupport.slack import actions, blocks, client, state
from livesupport.slack.errors import ConnectRefused, NotInPlan, SlackFailed
from livesupport.slack.offer import offer_to
from tenants.access import SeatRequest, seat_required
from tenants.errors import ProductError
from tenants.hosts import public_url
from tenants.schema import current_schema
from tenants.workspace.models import Project, Seat

CONFIGURERS = (Seat.Role.OWNER, Seat.Role.ADMIN)
SAID = {
    "connected": "Connected. Now choose the channel.",
    "channel": "The channel is chosen, and a test message stands in it.",
    "options": "Saved.",
    "both": "People are called in Live Support and Slack.",
    "slack": "People are called in Slack.",
    "test": "A test message stands in the channel.",
    "disconnected": "Disconnected. Handoffs land in Live Support.",
    "denied": "Nothing was connected: Slack was told no.",
}
TEST_SENTENCE = "BuiltABot is connected. Handoffs of this chatbot are posted here, each in a thread of its own."


@require_GET
@never_cache
@seat_required(*CONFIGURERS)
def page(request: SeatRequest) -> HttpResponse:
    """`?project=` a key; `?said=` what was done just now."""
    return _shown(request, _project(request.GET.get("project", "")), SAID.get(request.GET.get("said", ""), ""))


@require_GET
@never_cache
@seat_required(*CONFIGURERS)
def begin(request: SeatRequest) -> HttpResponse:
    """Send the browser to Slack, with a state that only this session can bring back."""
    project = _project(request.GET.get("project", ""))
    offer = offer_to(project)
    if not offer.is_offered:
        return _to(project)
    if not offer.is_included:
        return _shown(request, project, problem=NotInPlan.sentence)
    session = state.digest(request.session.session_key)
    bound = state.State(current_schema(), project.key, request.seat.pk, session)
    return HttpResponseRedirect(client.authorize_url(state.write(bound), _redirect_uri()))


@require_GET
@never_cache
@seat_required(*CONFIGURERS)
def finish(request: SeatRequest) -> HttpResponse:
    """Back from Slack by way of the public host: the same person, in the same browser, at the same tenant."""
    try:
        project = _project_of(request)
    except ConnectRefused as refusal:
        return render(request, "livesupport/slack_refused.html", {"sentence": refusal.sentence}, status=400)
    if not request.GET.get("code"):
        return _to(project, "denied")
    if not offer_to(project).is_included:
        return _shown(request, project, problem=NotInPlan.sentence)
    try:
        granted = client.exchange(request.GET["code"], _redirect_uri())
        actions.connect(seat=request.seat, project=project, granted=granted)
    except ProductError as error:
        return _shown(request, project, problem=error.sentence)
    return _to(project, "connected")


@require_POST
@seat_required(*CONFIGURERS)
def act(request: SeatRequest) -> HttpResponse:
    """`do` is `channel`, `both`, `slack`, `options`, `test` or `disconnect`; `project` the chatbot's key."""
    project = _project(request.POST.get("project", ""))
    deed = DEEDS.get(request.POST.get("do", ""))
    if deed is None or (deed is not _disconnect and offer_to(project).install is None):
        return _to(project)
    try:
        said = deed(request, project)
    except ProductError as error:
        return _shown(request, project, problem=error.sentence)
    return _to(project, said)


def _channel(request: SeatRequest, project: Project) -> str:
    """Join the chosen channel, and prove by a first message that handoffs will arrive there."""
    slack = client.Slack(SlackInstall.objects.get(project=project).bot_token)
    channel = slack.channel(request.POST.get("channel_id", "").strip() or request.POST.get("channel", ""))
    slack.join(channel)
    install = actions.choose_channel(seat=request.seat, project=project, channel=channel)
    _try_out(install)
    return "channel"


def _call(request: SeatRequest, project: Project) -> str:
    where = request.POST["do"]
    actions.call_people(seat=request.seat, project=project, where=where)
    return where


def _options(request: SeatRequest, project: Project) -> str:
    actions.change_options(
        seat=request.seat,
        project=project,
        anyone_may_answer="anyone_may_answer" in request.POST,
        answers_any_hour="answers_any_hour" in request.POST,
    )
    return "options"


def _test(request: SeatRequest, project: Project) -> str:
    _try_out(SlackInstall.objects.get(project=project))
    return "test"


def _disconnect(request: SeatRequest, project: Project) -> str:
    actions.disconnect(seat=request.seat, project=project)
    return "disconnected"


Deed = Callable[[SeatRequest, Project], str]
DEEDS: dict[str, Deed] = {
    "channel": _channel,
    Project.HandoffsTo.BOTH: _call,
    Project.HandoffsTo.SLACK: _call,
    "options": _options,
    "test": _test,
    "disconnect": _disconnect,
}


def _try_out(install: SlackInstall) -> None:
    """A message into the channel; whether it arrives decides whether anybody counts on this channel."""
    shown = blocks.news(TEST_SENTENCE)
    message = client.Outgoing(install.channel_id, shown.text, shown.blocks, key=f"test:{install.pk}")
    try:
        client.Slack(install.bot_token).post(message)
    except SlackFailed as error:
        if error.is_broken:
            actions.note_problem(install_id=install.pk, sentence=error.sentence)
        raise
    actions.note_working(install_id=install.pk)


def _project(key: str) -> Project:
    """A project by its key; without one, the only project."""
    projects = Project.objects.order_by("pk")
    found = projects.filter(key=key).first() if key else projects.first()
    if found is None:
        raise Http404
    return found


def _project_of(request: SeatRequest) -> Project:
    """The project that the state names, if the state is of this tenant, seat and session."""
    bound = state.read(request.GET.get("state", ""))
    here = (current_schema(), request.seat.pk, state.digest(request.session.session_key))
    project = Project.objects.filter(key=bound.project).first()
    if (bound.schema, bound.seat, bound.session) != here or project is None:
        raise ConnectRefused
    return project


def _shown(request: SeatRequest, project: Project, said: str = "", *, problem: str = "") -> HttpResponse:
    offer = offer_to(project)
    context: dict[str, Any] = {
        "seat": request.seat,
        "project": project,
        "projects": list(Project.objects.order_by("pk")),
        "install": offer.install,
        "offer": offer,
        "not_in_plan": NotInPlan.sentence,
        "settings_link": reverse("admin:workspace_project_change", args=[project.pk]),
        "begin_link": reverse("livesupport:slack_begin") + "?" + urlencode({"project": project.key}),
        "said": said,
        "problem": problem,
        "channels": [],
    }
    if (install := offer.install) is not None and not problem and (not install.channel_id or "choose" in request.GET):
        context |= {"choosing": True, **_channels(install)}
    return render(request, "livesupport/slack.html", context, status=400 if problem else 200)


def _channels(install: SlackInstall) -> dict[str, Any]:
    try:
        return {"channels": client.Slack(install.bot_token).channels()}
    except SlackFailed as error:
        return {"problem": error.sentence}


def _to(project: Project, said: str = "") -> HttpResponse:
    query = {"project": project.key, **({"said": said} if said else {})}
    return HttpResponseRedirect(reverse("livesupport:slack") + "?" + urlencode(query))


def _redirect_uri() -> str:
    return public_url("/slack/oauth/")
