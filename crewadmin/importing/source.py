"""The files that an import reads: from disk, from standard input, or sent by a browser; within limits, UTF-8 only."""

import hashlib
import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext as _

from .findings import BadFileError, Finding, Place

MEGABYTE = 1_000_000
STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read at all: bytes of a file, rows, depth of JSON, characters of one value in the file.

    A value's own limit (65,536 bytes) is a rule of its form; in a file each character may be written as six.
    """

    size: int = 64 * MEGABYTE
    rows: int = 200_000
    depth: int = 8
    value: int = 6 * 65_536


#: For operators, who sit at the server anyway.
COMMAND_LIMITS = Limits()
#: For uploads: they are held in memory while other people want pages.
UPLOAD_LIMITS = Limits(size=5 * MEGABYTE, rows=10_000)


@dataclass(frozen=True, slots=True)
class Source:
    """One file as read: its name for people, its text, and the SHA-256 of its bytes (which must not be shown)."""

    name: str
    text: str = field(repr=False)
    digest: bytes = field(repr=False)
    #: Whether other users of this machine may read the file.
    exposed: bool = False


def read_source(path: str, limits: Limits) -> Source:
    """Read a file, or standard input for `-`. Raises OSError, and BadFileError for what is no text within limits."""
    if path == STANDARD_INPUT:
        return source_of(_("standard input"), _read(sys.stdin.buffer, limits), limits)
    with Path(path).open("rb") as file:
        exposed = bool(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077)
        return source_of(Path(path).name, _read(file, limits), limits, exposed=exposed)


def source_of(name: str, data: bytes, limits: Limits, *, exposed: bool = False) -> Source:
    """Make a source of bytes. Raises BadFileError for what is no UTF-8 text within limits."""
    if len(data) > limits.size:
        reason = _("The file is larger than %(limit)s MB.") % {"limit": limits.size / MEGABYTE}
        raise BadFileError(Finding(Place(name), reason, _("Split it, and import the parts one after the other.")))
    return Source(name, _decoded(name, data), hashlib.sha256(data).digest(), exposed)


def _read(file: BinaryIO, limits: Limits) -> bytes:
    return file.read(limits.size + 1)


def _decoded(name: str, data: bytes) -> str:
    """Return the text without its byte order mark; a second encoding in the file, or a NUL, is refused by its line."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadFileError(Finding(Place(name, 1), _("The file is UTF-16."), _("Save it as UTF-8.")))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # `from None` below: the error carries the bytes of the file.
        place = _place(name, data, error.start)
    else:
        if (at := data.find(b"\0")) < 0:
            return text
        raise BadFileError(Finding(_place(name, data, at), _("There is a NUL character."), _("Remove it.")))
    reason = _("This is not UTF-8, or the file mixes encodings.")
    raise BadFileError(Finding(place, reason, _("Save the whole file as UTF-8."))) from None


def _place(name: str, data: bytes, at: int) -> Place:
    return Place(name, data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at))
