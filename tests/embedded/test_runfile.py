"""run.json: who may read it, what a later start keeps, what it refuses."""

import os
from pathlib import Path

import pytest

from builtabot.embedded import runfile
from builtabot.embedded.errors import EmbeddedError, RefusedError
from builtabot.embedded.runfile import FolderLock, RunFile


def example() -> RunFile:
    return RunFile("postgresql:///a", "redis+socket:///b", "unix:///c")


def test_only_its_owner_may_read_it_and_it_reads_back_whole(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        runfile.write(tmp_path, example())
    finally:
        os.umask(before)
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    written = example()
    runfile.write(tmp_path, written)
    assert runfile.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_two_first_starts_make_different_secrets() -> None:
    one, two = example(), example()
    assert one.secret_key != two.secret_key
    assert one.field_encryption_keys != two.field_encryption_keys
    assert one.demo_password != two.demo_password


def test_private_hosts_add_up_and_the_shops_own_moves_with_the_port() -> None:
    first = example().moved_to(8000, demo=True, allow_private=["10.0.0.1:80"])
    second = first.moved_to(8100, demo=True, allow_private=["10.0.0.2:80", "10.0.0.1:80"])
    assert first.crawl_allow_private == ["127.0.0.1:8001", "10.0.0.1:80"]
    assert second.crawl_allow_private == ["127.0.0.1:8101", "10.0.0.1:80", "10.0.0.2:80"]
    assert (second.port, second.secret_key) == (8100, first.secret_key)


def test_without_the_demo_no_host_of_ours_is_allowed() -> None:
    run = example().moved_to(8000, demo=True, allow_private=[]).moved_to(8000, demo=False, allow_private=[])
    assert run.crawl_allow_private == []


def test_no_file_is_none_and_a_damaged_one_is_not_replaced(tmp_path: Path) -> None:
    assert runfile.read(tmp_path) is None
    (tmp_path / "run.json").write_text('{"port": ')
    with pytest.raises(EmbeddedError, match="is damaged"):
        runfile.read(tmp_path)
    assert (tmp_path / "run.json").read_text() == '{"port": '


def test_keys_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    runfile.write(tmp_path, example())
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace("{", '{"from_the_future": 1,', 1))
    found = runfile.read(tmp_path)
    assert found is not None
    assert found.database_url == "postgresql:///a"


def test_a_folder_with_other_things_in_it_is_refused_and_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(RefusedError, match="holds other things"):
        runfile.make_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    runfile.make_folder(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.take("http://localhost:8000/")
    with pytest.raises(RefusedError, match=rf"process {os.getpid()} at http://localhost:8000/"):
        FolderLock(tmp_path).take("http://localhost:8100/")
    first.free()
    again = FolderLock(tmp_path)
    again.take("http://localhost:8100/")
    again.free()
