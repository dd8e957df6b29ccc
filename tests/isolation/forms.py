"""Forms and links of a page, read from its HTML as a browser would, so that every id in them can be replaced."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

VOID_TYPES = {"submit", "button", "image", "reset", "file"}


@dataclass
class Form:
    """One form: where it goes, and for each name the value it would send and all that it offers.

    `others` are the addresses that some of its controls send it to instead, by button or by htmx; `typed` the names of
    what people type, `secret` those of what they type and nobody should see.
    """

    action: str
    method: str
    others: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    offered: dict[str, set[str]] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)
    secret: set[str] = field(default_factory=set)

    def take(self, name: str, value: str, *, chosen: bool, typed: bool = False) -> None:
        """Note a control's value; `chosen` says whether it is sent as it stands, `typed` that people type it."""
        self.offered.setdefault(name, set()).add(value)
        if typed:
            self.typed.add(name)
        sent = self.values.setdefault(name, [])
        if chosen:
            sent.append(value)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._text: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif self._form is not None:
            self._form.others |= {given[name] for name in ("formaction", "hx-post") if given.get(name)}
            self._control(tag, given)

    def _control(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        name, value = given.get("name", ""), given.get("value", "on")
        if name and (given.get("type") == "password" or given.get("autocomplete", "").endswith("-password")):
            self._form.secret.add(name)
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            self._form.take(self._select, given.get("value", ""), chosen="selected" in given)
        elif tag == "textarea" and name:
            self._text = name, []
        elif tag == "button" and name:
            self._form.take(name, value, chosen=False)
        elif tag == "input" and name and given.get("type", "text") not in VOID_TYPES:
            boxed = given.get("type") in ("checkbox", "radio")
            sent = value if boxed else given.get("value", "")
            typed = not boxed and given.get("type") != "hidden"
            self._form.take(name, sent, chosen=not boxed or "checked" in given, typed=typed)

    def handle_data(self, data: str) -> None:
        if self._text:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text and self._form:
            self._form.take(self._text[0], "".join(self._text[1]).strip(), chosen=True, typed=True)
            self._text = None
        elif tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""


def read(html: str) -> tuple[list[Form], list[str]]:
    """Return the forms and the links of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms, reader.links


def query_of(link: str) -> dict[str, str]:
    """Return the parameters of a link."""
    return dict(parse_qsl(urlsplit(link).query))
