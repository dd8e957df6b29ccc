"""Every address of the site, read from the URLconf."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from organizations.access import Rule, rule_of

#: Addresses that ask nothing but an active membership: they show who is here with which role, or lead out.
OF_EVERY_MEMBER = {"organization_home", "member_list", "member_leave", "organization_settings", "role_list"}


@dataclass(frozen=True)
class Url:
    """One address: its name with its namespaces, what it captures, and what was declared for it."""

    name: str
    route: str
    view: Any
    captures: frozenset[str]
    rule: Rule | None

    def of(self, organization: UUID, rows: dict[str, Any]) -> str:
        """Return the address of an organization, with its row of the kind that the name starts with.

        A second row is captured by the name of its kind.
        """
        arguments = {"organization": organization, **{kind: rows[kind].uuid for kind in self.captures & set(rows)}}
        if "uuid" in self.captures:
            arguments["uuid"] = rows[self.name.split("_")[0]].uuid
        return reverse(self.name, kwargs=arguments)

    def anywhere(self, rows: dict[str, Any]) -> str:
        """Return an address outside organizations: in the admin that of the row of its model, else made up."""
        row = next((row for row in rows.values() if f"_{_model_of(row)}_" in f"_{self.name}_"), None)
        values = _CAPTURED | ({"object_id": getattr(row, "pk", 1)} if row else {})
        if not self.name or self.name.endswith(":"):  # the catch-alls of the admin have no name
            return "/" + re.sub(
                r"<(?:\w+:)?(\w+)>|\(\?P<\w+>[^)]*\)\$?", lambda found: str(values[found[1] or "url"]), self.route
            )
        return reverse(self.name, kwargs={name: values.get(name, "made-up") for name in self.captures})


def _model_of(row: Any) -> str:
    return row._meta.model_name if hasattr(row, "_meta") else "no model"


#: What a route captures: `<path:object_id>`, or a group of a regular expression at its end.
_CAPTURE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<\w+>[^)]*\)\$?")
#: Made-up values for what addresses of other packages capture.
_CAPTURED: dict[str, Any] = {
    "object_id": 1,
    "app_label": "credentials",
    "content_type_id": 1,
    "url": "nothing",
    "pk": 1,
}


def every_url(
    resolver: URLResolver | None = None, route: str = "", namespace: str = "", captures: frozenset[str] = frozenset()
) -> Iterator[Url]:
    """Walk the URLconf, what is included from elsewhere too."""
    for entry in (resolver or get_resolver()).url_patterns:
        here, seen = route + str(entry.pattern), captures | set(entry.pattern.converters) | _groups(entry)
        if isinstance(entry, URLResolver):
            yield from every_url(entry, here, namespace + (f"{entry.namespace}:" if entry.namespace else ""), seen)
        else:
            name = namespace + (entry.name or "")
            yield Url(name, here, entry.callback, seen, rule_of(entry.callback, name))


def _groups(entry: URLPattern | URLResolver) -> set[str]:
    return set(entry.pattern.regex.groupindex)


def organization_urls() -> list[Url]:
    """Return the addresses below an organization."""
    return [url for url in every_url() if "organization" in url.captures]
