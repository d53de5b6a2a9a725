"""Limits of asset feeds: how many assets of a kind a product may have, and how long their texts may be."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from genco.data.catalogue import Slot


@dataclass(frozen=True)
class Kind:
    """One component. fields: what the source calls it (compared in capitals) · least, most: assets a product has ·
    max_width: of a text; None = no limit · slots: that show it; a required one is empty only for lack of elements."""

    component: str
    fields: tuple[str, ...]
    slots: tuple[Slot, ...]
    least: int = 0
    most: int | None = None
    max_width: int | None = None


@dataclass(frozen=True)
class Profile:
    """kinds: in order of slots · wide_counts_twice: a full-width character (as in Chinese) counts as two."""

    name: str
    kinds: tuple[Kind, ...]
    wide_counts_twice: bool = False

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(slot for kind in self.kinds for slot in kind.slots)

    def kind_of(self, field: str) -> Kind | None:
        """The kind a source's field name belongs to."""
        name = field.strip().upper().replace(" ", "_")
        return next((kind for kind in self.kinds if name in kind.fields), None)

    def width(self, text: str) -> int:
        """Characters of the text as the profile counts them."""
        if not self.wide_counts_twice:
            return len(text)
        return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _slots(component: str, num: int, required: int) -> tuple[Slot, ...]:
    """`component_1` and following, of which the first `required` may not stay empty."""
    return tuple(Slot(f"{component}_{i + 1}", component, i < required) for i in range(num))


def _slot(component: str, required: bool = True) -> tuple[Slot, ...]:
    return (Slot(component, component, required),)


META_DYNAMIC_CREATIVE = Profile(
    "meta_dynamic_creative",
    (
        Kind("media", ("IMAGES", "VIDEOS"), _slot("media"), 1, 10),
        Kind("body", ("BODIES",), _slot("body"), 0, 5),
        Kind("title", ("TITLES",), _slot("title"), 0, 5),
        Kind("description", ("DESCRIPTIONS",), _slot("description"), 0, 5),
        Kind("call_to_action", ("CALL_TO_ACTION_TYPES",), _slot("call_to_action"), 0, 5),
    ),
)
"""Its limit of 30 assets in all is the sum of these."""

GOOGLE_RSA = Profile(
    "google_rsa",
    (
        Kind("headline", ("HEADLINE",), _slots("headline", 3, 2), 3, 15, 30),
        Kind("description", ("DESCRIPTION",), _slots("description", 2, 1), 2, 4, 90),
    ),
    wide_counts_twice=True,
)
GOOGLE_PMAX = Profile(
    "google_pmax",
    (
        Kind("headline", ("HEADLINE",), _slot("headline"), 3, 15, 30),
        Kind("long_headline", ("LONG_HEADLINE",), _slot("long_headline"), 1, 5, 90),
        Kind("description", ("DESCRIPTION",), _slot("description"), 2, 5, 90),
        Kind(
            "image",
            ("MARKETING_IMAGE", "SQUARE_MARKETING_IMAGE", "PORTRAIT_MARKETING_IMAGE", "IMAGE"),
            _slot("image"),
            0,
            20,
        ),
    ),
    wide_counts_twice=True,
)
JD_CARD = Profile(
    "jd_card",
    (
        Kind("title", ("TITLE",), _slot("title"), 1),
        Kind("image", ("IMAGE",), _slot("image"), 1),
        Kind("highlight", ("HIGHLIGHT",), _slots("highlight", 3, 3), 3),
        Kind("tag", ("TAG",), _slot("tag", False)),
    ),
)
"""The card of the demo `jd_card`; it limits nothing but what a card needs."""

PROFILES = {profile.name: profile for profile in (META_DYNAMIC_CREATIVE, GOOGLE_RSA, GOOGLE_PMAX, JD_CARD)}
