"""How a person wants to be reached: the page under /live/notifications/."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from chat.policies import may_talk
from livesupport.notify import set_mail
from tenants.access import SeatRequest, refuse, seat_required


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@seat_required()
def notifications(request: SeatRequest) -> HttpResponse:
    """The switch for letters, and what the bell does. A POST keeps `mail` = `on`, or takes it away."""
    if not may_talk(request.seat):
        return refuse(request, "not_allowed", "Only people who answer visitors are told of them.")
    if request.method == "POST":
        set_mail(seat=request.seat, wanted=request.POST.get("mail") == "on")
        return HttpResponseRedirect(f"{request.path}?saved")
    context = {"seat": request.seat, "here": "live", "saved": "saved" in request.GET}
    return render(request, "livesupport/notifications.html", context)
