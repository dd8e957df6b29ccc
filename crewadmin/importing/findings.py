"""What is wrong with a file, said so that a person can mend it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

#: More are counted and not kept: whoever mends a thousand runs the import again anyway.
MOST_FINDINGS = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file: its name, line and column (from 1, 0 if not known), and for JSON the path, as `$[3].key`."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""

    def __str__(self) -> str:
        spot = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{spot} {self.path}" if self.path else spot


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, in which field (or ""), why, and what to do. It holds nothing of a value."""

    place: Place
    reason: str
    advice: str
    field: str = ""

    def __str__(self) -> str:
        field = f" {self.field}:" if self.field else ""
        return f"{self.place}:{field} {self.reason} {self.advice}"

    def as_json(self) -> dict[str, str | int]:
        """Return the parts for a report that programs read."""
        return {**asdict(self.place), "field": self.field, "reason": self.reason, "advice": self.advice}


class BadFileError(Exception):
    """A file that cannot be read on from here; carries what is wrong."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class Findings:
    """All that is wrong: the first MOST_FINDINGS, by their lines, and how many there are."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self.kept, key=lambda finding: (finding.place.line, finding.place.column)))

    def add(self, finding: Finding) -> None:
        """Keep a finding, or count it."""
        self.count += 1
        if len(self.kept) < MOST_FINDINGS:
            self.kept.append(finding)

    def refuse(self, place: Place, field: str, error: ValidationError | Iterable[str]) -> None:
        """Keep what a form or one of its fields refused, in the form's own words."""
        for reason in error.messages if isinstance(error, ValidationError) else error:
            self.add(Finding(place, str(reason), _("Correct this field in the file."), field))
