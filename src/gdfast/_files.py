"""Write files so that a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place at `path` only when complete.

    The bytes go to a temporary file in the same folder, which replaces the
    target when the block ends. If the block raises (KeyboardInterrupt
    included), the temporary file is removed and the target stays as it was.

    Parameters
    ----------
    path : str or path-like
        Where the file shall be. Of a symbolic link, the file it points to is
        replaced and the link kept. What is not a regular file, such as a pipe
        or ``/dev/null``, is written to directly.

    Yields
    ------
    file : binary file object
        Open for writing; it is closed when the block ends.

    Raises
    ------
    OSError
        If the folder is missing, the disk is full or writing is not
        permitted. The error names `path`, not the temporary file.

    Notes
    -----
    Permissions are those that `open` would give: the umask applies to a new
    file; one that exists keeps its mode, and is not replaced if read-only.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model")
    >>> with atomic_write(path) as file:
    ...     n_bytes = file.write(b"complete")
    ...     os.path.exists(path)
    False
    >>> os.path.exists(path)
    True
    """
    if not os.path.basename(path):  # "" or "folder/", which realpath would change
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".gdfast-{os.urandom(8).hex()}.tmp")
    try:
        mode = _mode(path)
        if mode is not None and not stat.S_ISREG(mode):
            with open(path, "wb") as file:
                yield file
            return
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with open(temporary, "xb") as file:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.filename not in (None, temporary):
            raise  # the block's own error, about some other file
        reason = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, reason, os.fspath(path)) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _mode(path: str | os.PathLike[str]) -> int | None:
    """Type and permissions of a file, links followed; None if there is none."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None
