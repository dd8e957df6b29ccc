"""Keep secret values out of everything that prints: the `Secret` wrapper, error reports and log lines without values.

A value that came out of a vault or out of a sealed column travels as a `Secret`. Every way of printing it shows a
mask; `.reveal()` is the one way to the value, and stands only where a value leaves on purpose (a cloud client, the
environment of a process, an export).
"""

import logging
import traceback
from collections.abc import ItemsView, Iterator
from copy import copy
from typing import Any, Generic, NoReturn, TypeVar

from django.db import OperationalError
from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

MASK = "••••••••"

#: What an error report may show of a request's headers and the server's variables.
SHOWN_META = frozenset(
    {
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_ACCEPT",
        "HTTP_HOST",
        "HTTP_USER_AGENT",
        "REMOTE_ADDR",
        "REQUEST_METHOD",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
    }
)

T = TypeVar("T")
_GONE: Any = object()


class Secret(Generic[T]):
    """A value that must not be shown: a text, or a dict of texts.

    `repr`, `str` and `format` show a mask, `json.dumps` refuses it, and a pickled Secret has lost its value when it is
    loaded. Two Secrets are compared by identity, so that an assertion or a log of a difference shows nothing either.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value. Raises ValueError for a Secret that went through pickle."""
        if self._value is _GONE:
            raise ValueError("This secret was pickled and carries no value any more.")
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return _gone_secret, ()

    def __copy__(self) -> "Secret[T]":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret[T]":
        return self

    def __iter__(self) -> NoReturn:
        raise TypeError("A Secret is not iterable; reveal it first.")


def _gone_secret() -> Secret[str]:
    return Secret(_GONE)


class MaskEverything(SafeExceptionReporterFilter):
    """Error reports (mail to ADMINS, the debug page) name variables and fields, but show the value of none.

    Django's own filter masks by name, and only for decorated views; an undecorated view mails every posted value.
    Here safety does not depend on anybody remembering a decorator.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        """Filter always, also with DEBUG on."""
        return True

    def get_safe_settings(self) -> dict[str, Any]:
        """Return no settings: addresses of databases and caches carry passwords."""
        return {}

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return each header's name, and the value of those in SHOWN_META.

        Under `runserver` all of the process environment is among them.
        """
        meta = request.META if request else {}
        return {name: value if name in SHOWN_META else MASK for name, value in meta.items()}

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return every cookie's name with a mask for its value."""
        return dict.fromkeys(request.COOKIES if request else (), MASK)

    def get_post_parameters(self, request: HttpRequest | None) -> MultiValueDict[str, Any]:
        """Return every posted field's name with a mask for its value."""
        if request is None:
            return MultiValueDict()
        return MultiValueDict({name: [MASK] for name in request.POST})

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> ItemsView[str, Any]:
        """Return every local variable's name and type, never its value."""
        return {name: f"<{type(value).__name__}>" for name, value in tb_frame.f_locals.items()}.items()


class MaskedReport(ExceptionReporter):
    """An error report that names exceptions and where they were raised, but does not repeat what they say.

    The text of an exception may quote anything. Nor does the address show its query: a link from a mail carries its
    token there.
    """

    def get_traceback_data(self) -> dict[str, Any]:
        """Name the exception, the query's parameters and the files that were sent, and show the value of none."""
        data = super().get_traceback_data() | {"unicode_hint": ""}
        if self.exc_type:
            data["exception_value"] = text_of(self.exc_value)
            data.pop("exception_notes", None)
        if self.request is not None:
            data["request_GET_items"] = [(name, MASK) for name in self.request.GET]
            data["request_FILES_items"] = [(name, MASK) for name in self.request.FILES]
            data["request_insecure_uri"] = str(data["request_insecure_uri"]).partition("?")[0]
        return data

    def get_traceback_frames(self) -> list[Any]:
        """Name the exceptions that led to this one."""
        frames: list[Any] = super().get_traceback_frames()
        for frame in frames:
            if frame["exc_cause"] is not None:
                frame["exc_cause"] = named(frame["exc_cause"])
        return frames


class MaskedFormatter(logging.Formatter):
    """Log lines whose tracebacks name exceptions and where they were raised, but do not repeat what they say."""

    def format(self, record: logging.LogRecord) -> str:
        """Format anew what another handler may have formatted already."""
        own = copy(record)
        own.exc_text = None
        if own.exc_info and isinstance(own.args, dict):  # Celery tells of a failed task by these names
            own.args = own.args | dict.fromkeys(own.args.keys() & {"exc", "traceback", "args", "kwargs"}, MASK)
        return super().format(own)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the traceback of an exception and of those that led to it."""
        return "\n".join(_traceback(ei[1])) if ei[1] is not None else ""


def named(error: BaseException) -> str:
    """Return an exception's name, and its text where that may be shown."""
    return f"{type(error).__module__}.{type(error).__qualname__}: {text_of(error)}"


def text_of(error: BaseException | None) -> str:
    """Return a mask, except for a database that cannot be reached or is busy: its text is needed, and quotes no row."""
    return str(error) if isinstance(error, OperationalError) else MASK


def _traceback(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traceback(cause)
        yield "\nAnd then:\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield named(error)
