"""The page on which an object is restricted and shared; each kind of object has its address and guard."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.forms import TextField

from ..access import Level, OrganizationRequest, levels_by_role
from ..models import Membership, public_id
from ..services import sharing as services
from ..sharing import Grant, Grants, Holder, Restrictable, Share, active_holders, grants_of, may
from ..who_has_access import effect_of, in_words, who_has_access

#: How many names the browser offers while somebody types; more can be typed.
MOST_OFFERED = 200


@dataclass(frozen=True)
class Place:
    """Where a kind of object lives: the addresses that the page leads to."""

    back_url: str
    list_url: str


class ShareForm(forms.Form):
    """With whom an object is shared, and what they may do with it. A holder is named: choices would not scale."""

    holder = TextField(
        label=gettext_lazy("Person or role"),
        max_length=254,
        help_text=gettext_lazy("The e-mail address of a member, or the name of a role."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "list": "holders"}),
    )
    grants = forms.ChoiceField(label=gettext_lazy("May"))

    def __init__(self, data: Any, row: Restrictable) -> None:
        super().__init__(data)
        self.row = row
        self.people, self.roles = active_holders(row.organization)
        self.fields["grants"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (_value(grants), in_words(grants)) for grants in _offered(row)
        ]
        self.fields["grants"].help_text = _help(row)

    @property
    def offered(self) -> list[str]:
        """The names that can be chosen, roles first."""
        roles = list(self.roles[:MOST_OFFERED].values_list("name", flat=True))
        return roles + list(self.people[: MOST_OFFERED - len(roles)].values_list("user__email", flat=True))

    def clean_holder(self) -> Holder:
        """Find the active member, or the role."""
        name = self.cleaned_data["holder"]
        found: Holder | None = (
            self.people.filter(user__email=name.lower()).first() or self.roles.filter(name__iexact=name).first()
        )
        if found is None:
            raise ValidationError(
                _("There is no active member with this address, and no role of this name, who is not an owner.")
            )
        return found

    def clean_grants(self) -> Grants:
        """Return the grants that the choice stands for."""
        chosen = self.cleaned_data["grants"]
        return next(grants for grants in _offered(self.row) if _value(grants) == chosen)

    def clean(self) -> dict[str, Any]:
        """Refuse a grant that would have no effect, because the role does not reach so far."""
        cleaned = super().clean() or self.cleaned_data
        holder, grants = cleaned.get("holder"), cleaned.get("grants")
        if holder and grants:
            role = holder.role if isinstance(holder, Membership) else holder
            level: Level = levels_by_role(self.row.organization, self.row.FEATURE)[role.pk]
            if not grants <= effect_of(self.row, grants, level):
                self.add_error(
                    "grants",
                    _("The role %(role)s does not allow that much. Choose less here, or more in the role.")
                    % {"role": role.name},
                )
        return cleaned


def _offered(row: Restrictable) -> list[Grants]:
    single = [frozenset({grant}) for grant in row.GRANTS]
    return [*single[:-1], frozenset({Grant.READ, Grant.USE}), single[-1]] if Grant.USE in row.GRANTS else single


def _help(row: Restrictable) -> str:
    meanings = {
        Grant.READ: _("Read: see it."),
        Grant.USE: _("Use: choose it in variables, without seeing its page."),
        Grant.MANAGE: _("Manage: all of that, and change and share it."),
    }
    return " ".join([*(meanings[grant] for grant in row.GRANTS), _("Share again to change what somebody may.")])


def _value(grants: Grants) -> str:
    return "+".join(sorted(grants))


def sharing_page(request: OrganizationRequest, row: Restrictable, place: Place) -> HttpResponse:
    """Show who reaches an object; a POST restricts it (`restrict`), lifts that (`lift`), shares it, or takes away.

    `remove` names a share by the public id of its holder. The caller has checked that the member manages the object.
    """
    form = ShareForm(request.POST if "share" in request.POST else None, row)
    if request.method == "POST":
        if form.is_bound and not form.is_valid():
            return _page(request, row, place, form, status=422)
        try:
            messages.success(request, _change(request, row, form) % {"name": row})
        except services.NotRestrictedError:
            messages.warning(request, _("Nothing was changed: “%(name)s” is not restricted.") % {"name": row})
        may_stay = may(request.membership, row, Grant.MANAGE)
        return redirect(request.path if may_stay else place.list_url)
    return _page(request, row, place, form)


def _change(request: OrganizationRequest, row: Restrictable, form: ShareForm) -> str:
    """Do what the pressed button says; return what to say of it. Raises NotRestrictedError."""
    member = request.membership
    if "restrict" in request.POST:
        services.restrict(row, member)
        return _("“%(name)s” is restricted now.")
    if "lift" in request.POST:
        services.lift(row, member)
        return _("“%(name)s” is no longer restricted.")
    if form.is_bound:
        services.share(row, member, form.cleaned_data["holder"], form.cleaned_data["grants"])
        return _("“%(name)s” was shared.")
    if share := _share_to_remove(request, row):
        services.share(row, member, share.holder, ())
    return _("“%(name)s” is no longer shared with them.")


def _share_to_remove(request: OrganizationRequest, row: Restrictable) -> Share | None:
    """Return the share that is named, or None where there is no such one any more."""
    wanted: UUID | None = public_id(request.POST.get("remove"))
    return next((share for share in grants_of(row) if share.holder.uuid == wanted), None)


def _page(
    request: OrganizationRequest, row: Restrictable, place: Place, form: ShareForm, status: int = 200
) -> HttpResponse:
    context = {
        "row": row,
        "place": place,
        "form": form,
        "access": who_has_access(row),
        "shares": [(share, in_words(share.grants)) for share in grants_of(row)] if row.restricted else [],
    }
    return render(request, "organizations/sharing.html", context, status=status)
