"""`manage.py rehearse`: what it refuses before it plays. The play itself runs in tests/browser."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from tenants.workspace.models import Project
from tests.conftest import Tenants


def test_an_unknown_host_is_an_error(tenants: Tenants) -> None:
    with pytest.raises(CommandError, match=r"nobody\.localhost"):
        call_command("rehearse", host="nobody.localhost")


def test_the_public_host_is_no_tenant(tenants: Tenants) -> None:
    with pytest.raises(CommandError, match="No tenant"):
        call_command("rehearse", host="localhost")


def test_an_unknown_project_is_an_error_that_lists_those_there_are(tenants: Tenants) -> None:
    with pytest.raises(CommandError, match=tenants.a.project_key):
        call_command("rehearse", host=tenants.a.host, project="nope")


def test_several_projects_and_none_named_is_an_error(tenants: Tenants) -> None:
    with tenants.a.inside():
        Project.objects.create(key="second", name="Second")
    with pytest.raises(CommandError, match="Which project"):
        call_command("rehearse", host=tenants.a.host)


def test_a_project_without_content_fails_at_the_first_step_and_leaves_no_seat(
    tenants: Tenants, capsys: pytest.CaptureFixture[str]
) -> None:
    from tenants.workspace.models import Seat

    with tenants.b.inside():
        before = Seat.objects.filter(is_rehearsal=True, is_active=True).count()
    with pytest.raises(SystemExit) as ended:
        call_command("rehearse", host=tenants.b.host, project=tenants.b.project_key, json=True)
    assert ended.value.code == 1
    assert '"ok": false' in capsys.readouterr().out
    with tenants.b.inside():
        assert Seat.objects.filter(is_rehearsal=True, is_active=True).count() == before
