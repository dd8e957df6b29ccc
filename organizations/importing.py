"""Imports into an organization: one walk over the file plans and, in one transaction, applies; all of it or nothing."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from crewadmin.bulk import old_objects_left_alone
from crewadmin.importing.findings import BadFileError, Findings
from crewadmin.importing.plan import Action, OnConflict, Plan
from crewadmin.importing.source import Limits, Source
from crewadmin.sealing import keyed_hash

from .access import Feature
from .audit import changing, record
from .models import AuditEvent, Membership, Organization, User
from .services.managers import manager

#: Told now and then how far an import is: the line reached, and the last line there is.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Choices:
    """What was chosen: the name by which its rows remember the import, and what becomes of conflicts and of rows that
    an earlier import of that name brought and the file lacks."""

    name: str
    on_conflict: OnConflict = OnConflict.FAIL
    prune: bool = False


class Tested(NamedTuple):
    """How a test of one row before it is stored ended: the row's name, and why it failed ("" if it passed)."""

    name: str
    failure: str


class NotAppliedError(Exception):
    """Nothing was written: the plan is in `plan`, and the subclass says why."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(type(self).__doc__)
        self.plan = plan


class FaultyError(NotAppliedError):
    """The file has faults; they are in the import's findings."""


class ConflictError(NotAppliedError):
    """Rows are in the way that somebody else stored or edited."""


class MovedError(NotAppliedError):
    """What is stored, or the file, is not what the plan was made for."""


class Import(ABC):
    """One import of files into an organization. A subclass says what a row means.

    `by` is None for a command on the server. `findings` holds what is wrong with the files, once they were walked.
    `membership` is that of `by` while they are walked: who waited for a test or for another import may have lost it.
    """

    #: What the audit log calls it.
    imported: ClassVar[AuditEvent.Action]
    #: What a person must manage.
    feature: ClassVar[Feature]

    def __init__(
        self, organization: Organization, by: User | None, sources: Sequence[Source], choices: Choices, limits: Limits
    ) -> None:
        self.organization, self.by, self.sources, self.choices, self.limits = organization, by, sources, choices, limits
        self.findings = Findings()
        self.membership: Membership | None = None

    def plan(self, progress: Progress | None = None) -> Plan:
        """Return what the import would do, and write nothing. Raises what `manager` does."""
        return self._walked(write=False, progress=progress)

    def apply(self, expected: str | None = None, progress: Progress | None = None) -> Plan:
        """Do it, in one transaction, audited; return what was done.

        `expected` is the fingerprint of the plan that was shown. Raises a NotAppliedError or what `manager` does, and
        nothing is written.
        """
        with changing(self.organization):
            plan = self._walked(write=True, progress=progress)
            if self.findings:
                raise FaultyError(plan)
            if expected is not None and expected != self.fingerprint(plan):
                raise MovedError(plan)
            if plan.conflicts:
                raise ConflictError(plan)
            if plan.changes:
                record(self.organization, self.by, self.imported, self.organization, self._details(plan))
        return plan

    def tested(self, *, patient: bool) -> Iterator[Tested]:
        """Test what the planned import would store, row by row, where its rows can be tested and that was chosen.

        `patient`: take as long as all tests need; somebody who looks at a page is told instead what was not tested.
        No transaction may be open.
        """
        return iter(())

    def fingerprint(self, plan: Plan) -> str:
        """Return a keyed hash of a plan: of the files, the choices, and each row's action and stored state.

        It needs the organization's key to be made or checked, so nobody can try values against it.
        """
        whole = hashlib.sha256(repr(self.choices).encode())
        for source in self.sources:
            whole.update(source.digest)
        whole.update(plan.digest)
        return keyed_hash(self.organization.pk, "import", whole.digest()).hex()

    @abstractmethod
    def walk(self, plan: Plan, progress: Progress, *, write: bool) -> None:
        """Read all rows, add each to the plan (or what is wrong to `findings`), and write it if that is asked for.

        Writing may stop at the first finding: the transaction is rolled back then. Raises BadFileError.
        """

    def _walked(self, *, write: bool, progress: Progress | None) -> Plan:
        plan, self.findings = Plan(), Findings()
        self.membership = manager(self.organization, self.by, self.feature) if self.by else None
        try:
            with old_objects_left_alone():
                self.walk(plan, progress or (lambda line, last: None), write=write)
        except BadFileError as error:
            self.findings.add(error.finding)
        return plan

    def _details(self, plan: Plan) -> dict[str, str | int]:
        return {
            "source": self.choices.name,
            "created": plan.counts[Action.CREATE],
            "changed": plan.counts[Action.CHANGE],
            "removed": plan.counts[Action.REMOVE],
        }
