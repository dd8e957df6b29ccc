"""Where something could show up: each place is recorded while requests run, or read when they are done."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from logging.config import DictConfigurator  # type: ignore[attr-defined]  # not in the stubs
from typing import Any

import pytest
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.sessions.backends.base import SessionBase
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import Resolver404

from crewadmin.settings import LOGGING

from .search import Search

#: What shows a secret on purpose: where, which, and why.
ON_PURPOSE = {
    ("page", "mfa_view_recovery_codes", "recovery codes"): "once, to the person whose they are",
    ("page", "recovery_codes_file", "recovery codes"): "once, to the person whose they are",
    ("page", "api_environment", "direct value"): "delivered to the automation whose token was shown",
    ("page", "api_environment", "vault value"): "delivered to the automation whose token was shown",
    ("page", "api_environment", "deployed value"): "delivered to the automation whose token was shown",
    ("output", "resolve", "direct value"): "delivered to whoever runs the command",
    ("output", "resolve", "vault value"): "delivered to whoever runs the command",
}


class Places:
    """Remembers each line that was written anywhere, once."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.hits: set[tuple[str, str, str]] = set()
        self.counts: dict[str, int] = {}
        self._seen: set[str] = set()

    def keep(self, place: str, text: str, what: str = "") -> None:
        """Look at what was written to a place; `what` says by whom."""
        for line in text.splitlines():
            if line not in self._seen:
                self._seen.add(line)
                self.counts[place] = self.counts.get(place, 0) + 1
                self.hits |= {(place, what, name) for name in self.search.found(line)}

    @property
    def leaks(self) -> set[tuple[str, str, str]]:
        """What was found and is not there on purpose: place, what wrote it, which secret."""
        return self.hits - ON_PURPOSE.keys()

    @contextmanager
    def recorded(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Look at answers, messages, sessions, SQL, logs and mails as they come; at the end also at what is stored."""
        _watch(patch, Client, "request", lambda _client, answer, **_more: self._keep_answer(answer))
        _watch(
            patch, BaseStorage, "add", lambda _s, _r, _l, message, *more, **_: self.keep("message", f"{message} {more}")
        )
        _watch(patch, SessionBase, "encode", lambda _session, _r, data: self.keep("session", str(data)))
        log = _handler(self)
        root = logging.getLogger()
        before = root.level
        root.addHandler(log)
        root.setLevel(logging.DEBUG)
        try:
            with connection.execute_wrapper(self._keep_statement):
                yield
        finally:
            root.removeHandler(log)
            root.setLevel(before)
        self.keep_mails()
        self.keep_stored()

    def keep_mails(self) -> None:
        """Look at the mails that were sent."""
        for message in mail.outbox:
            self.keep("mail", f"{message.message()}\n{message.body}", message.subject)

    def keep_stored(self) -> None:
        """Look at every row, at a dump, and at the cache."""
        self.keep("database", every_row())
        self.keep("dumpdata", every_dump())
        self.keep("cache", "\n".join(_text(value) for value in cache._cache.values()))

    def _keep_answer(self, answer: Any) -> None:
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if answer.streaming:  # whoever asked reads it too
            answer.streaming_content = [body]
        what = ""
        with suppress(Resolver404):
            what = answer.resolver_match.view_name
        self.keep("page", body.decode("utf-8", errors="replace"), what)
        self.keep("header", "\n".join(f"{name}: {value}" for name, value in answer.headers.items()), what)
        self.keep("cookie", str(answer.cookies), what)

    def _keep_statement(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        rows = params if many else [params]
        values = [value for row in rows or () for value in (row.values() if isinstance(row, dict) else row or ())]
        self.keep("SQL", "\n".join([sql, *map(_text, values)]))
        return execute(sql, params, many, context)


def _watch(patch: pytest.MonkeyPatch, owner: type, name: str, look: Callable[..., None]) -> None:
    """Let `look` see what a method gets and returns."""
    method = getattr(owner, name)

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        look(self, result, *args, **kwargs)
        return result

    patch.setattr(owner, name, watched)


def _handler(places: Places) -> logging.Handler:
    """Return the handler of the site's own settings, writing to the places."""

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            places.keep("log", text)
            return len(text)

    handler = logging.StreamHandler(Stream())
    handler.setFormatter(DictConfigurator(LOGGING).configure_formatter(LOGGING["formatters"]["line"].copy()))
    return handler


def _text(value: Any) -> str:
    binary = isinstance(value, bytes | memoryview | bytearray)
    return bytes(value).decode("latin-1") if binary else str(value)


def every_row() -> str:
    """All that is in the database, column by column."""
    texts: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names of ours
            texts.extend(f"{table}: {_text(value)}" for row in cursor for value in row)
    return "\n".join(texts)


def every_dump() -> str:
    """All that `dumpdata` writes."""
    written = io.StringIO()
    call_command("dumpdata", stdout=written)
    return written.getvalue()
