"""Read a page as a person does: its words, its toasts, and what stands beside a field."""

import re
from html import unescape
from typing import Any, NamedTuple

_HIDDEN = re.compile(r"<(script|style|svg|template)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_TOAST = re.compile(
    r'class="toast show toast-(?P<level>\w+)".*?toast-title">(?P<title>.*?)</div>\s*'
    r'(?:<div class="toast-detail">(?P<detail>.*?)</div>)?',
    re.DOTALL,
)


class ShownToast(NamedTuple):
    level: str
    title: str
    detail: str


def html_of(response: Any) -> str:
    return str(response.content.decode())


def words_of(html: str) -> str:
    """The visible text, with every run of white space as one blank."""
    return " ".join(unescape(_TAG.sub(" ", _HIDDEN.sub(" ", html))).split())


def text_of(response: Any) -> str:
    return words_of(html_of(response))


def toasts_of(response: Any) -> list[ShownToast]:
    html = re.sub(r"<template\b.*?</template>", "", html_of(response), flags=re.DOTALL)
    return [
        ShownToast(found["level"], words_of(found["title"]), words_of(found["detail"] or ""))
        for found in _TOAST.finditer(html)
    ]


def errors_beside(response: Any, field: str) -> str:
    """The errors that stand beside a field, or an empty text."""
    found = re.search(rf'<ul class="field-errors" id="id_{field}_error">(.*?)</ul>', html_of(response), re.DOTALL)
    return words_of(found[1]) if found else ""


def value_of(response: Any, field: str) -> str | None:
    """What stands in an input, or None if it has no value."""
    found = re.search(rf'<input[^>]*\bname="{field}"[^>]*>', html_of(response))
    value = found and re.search(r'\bvalue="([^"]*)"', found[0])
    return unescape(value[1]) if value else None


def options_of(response: Any, field: str) -> list[str]:
    """The values that a select offers, in order."""
    found = re.search(rf'<select[^>]*\bname="{field}".*?</select>', html_of(response), re.DOTALL)
    return [unescape(value) for value in re.findall(r'<option value="([^"]*)"', found[0])] if found else []


def rows_of(response: Any) -> list[str]:
    """The words of each row of the list."""
    body = re.search(r"<tbody>(.*)</tbody>", html_of(response), re.DOTALL)
    return [words_of(row) for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)] if body else []
