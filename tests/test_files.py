"""Files are written whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from gdfast._files import atomic_write

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


def write(path, content):
    with atomic_write(path) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """Return a function that sets the umask until the end of the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_the_target_changes_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model"]
    assert file.closed


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_exception_leaves_everything_as_it_was(tmp_path, error, old):
    path = tmp_path / "model"
    if old is not None:
        path.write_bytes(old)

    def fail(file):
        file.write(b"new")
        raise error

    with pytest.raises(error), atomic_write(path) as file:
        fail(file)
    assert os.listdir(tmp_path) == ["model"] * (old is not None)
    assert old is None or path.read_bytes() == old


@posix
@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o027, 0o640)])
def test_a_new_file_gets_the_permissions_that_open_gives(
    tmp_path, umask, mask, expected
):
    umask(mask)
    write(tmp_path / "model", b"new")
    assert mode(tmp_path / "model") == expected


@posix
def test_an_existing_file_keeps_its_permissions(tmp_path, umask):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    path.chmod(0o606)
    umask(0o077)
    write(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o606)


def test_a_file_that_open_could_not_write_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    # Root may write everything, so the answer is given here.
    monkeypatch.setattr(os, "access", lambda *args: args != (str(path), os.W_OK))
    with pytest.raises(PermissionError) as caught:
        write(path, b"new")
    assert caught.value.filename == str(path)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["model"])


@posix
def test_a_link_is_kept_and_its_target_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to("folder/target")
    for content in (b"created through the dangling link", b"replaced"):
        write(link, content)
        assert link.is_symlink()
        assert not target.is_symlink()
        assert target.read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == ["folder", "link"]
    assert os.listdir(tmp_path / "folder") == ["target"]


@posix
def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write(path, b"through the pipe")
    reader.join(timeout=10)
    assert received == [b"through the pipe"]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing/model", FileNotFoundError),
        ("file/model", NotADirectoryError),
        ("folder", IsADirectoryError),
        ("folder/", IsADirectoryError),
        ("new/", IsADirectoryError),
    ],
)
def test_a_place_where_no_file_can_be(tmp_path, name, error):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    path = f"{tmp_path}/{name}"
    with pytest.raises(error) as caught:
        write(path, b"new")
    assert caught.value.filename == path
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


def test_an_empty_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="Is a directory"):
        write("", b"new")
    assert os.listdir(tmp_path) == []


@posix
def test_a_full_disk_leaves_the_old_file(tmp_path):
    import resource

    path = tmp_path / "model"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(path)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["model"])


def test_an_error_of_the_block_without_a_number_names_the_file(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(OSError, match="3 of 5 written") as caught, atomic_write(path):
        raise OSError("3 of 5 written")
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == []


def test_an_error_about_another_file_is_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "model"):
        open(tmp_path / "other").close()
    assert caught.value.filename == str(tmp_path / "other")
    assert os.listdir(tmp_path) == []


@posix
def test_kill_while_writing_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model"
    code = """
import sys
from gdfast._files import atomic_write
for k in range(10**9):
    with atomic_write(sys.argv[1]) as file:
        for _ in range(50):
            file.write(b"%d" % (k % 10) * 20_000)
"""
    seen = set()
    for delay in (0.0, 0.003, 0.01, 0.017, 0.03, 0.05):
        before = path.stat().st_mtime_ns if path.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", code, path])
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        content = path.read_bytes()
        assert content == content[:1] * 1_000_000
        seen.add(content[:1])
    assert len(seen) > 1  # it was indeed replaced
