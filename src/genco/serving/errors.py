"""What goes wrong with a request: a status, a code for programs, a message for people."""

from __future__ import annotations

from dataclasses import dataclass

from genco.errors import GencoError


@dataclass(frozen=True)
class RowFault:
    """One fault of one row of a request. table: products, elements or rules · field: "" where none alone is to blame ·
    rule: short name · value: as shown to a person."""

    table: str
    row: int
    field: str
    rule: str
    value: str
    message: str


class ApiError(GencoError):
    """Answered as {"error": {"code", "message", "rows"?}}. retry_after: seconds, for 429 and 503."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        retry_after: int | None = None,
        rows: tuple[RowFault, ...] = (),
    ) -> None:
        super().__init__(message)
        self.rows = rows
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class StoreUnavailableError(GencoError):
    """The store could not be reached, or refused the transaction."""
