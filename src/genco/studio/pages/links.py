"""Links to the same list, sorted otherwise or on another page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Links:
    """path: of the list · asked: its filters; empty ones are left out of links."""

    path: str
    asked: dict[str, str]
    sort: str
    descending: bool

    def to(self, **changes: str | int) -> str:
        """The list with some filters changed, from its first page unless `page` is given."""
        kept = {name: value for name, value in (self.asked | self._order() | changes).items() if value != ""}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def by(self, sort: str, first_ascending: bool = False) -> str:
        """The list sorted by a column, the other way round where it is sorted by it already."""
        ascending = self.descending if sort == self.sort else first_ascending
        return self.to(sort=sort, ascending="true" if ascending else "")

    def order(self, sort: str) -> str | None:
        """`aria-sort` of a column."""
        if sort != self.sort:
            return None
        return "descending" if self.descending else "ascending"

    def _order(self) -> dict[str, str | int]:
        return {} if self.descending else {"ascending": "true"}
