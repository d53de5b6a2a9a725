"""What goes wrong with a request: a status, a code for programs, a message for people."""

from __future__ import annotations

from genco.errors import GencoError


class ApiError(GencoError):
    """Answered as {"error": {"code", "message"}}. retry_after: seconds, for 429 and 503."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class StoreUnavailableError(GencoError):
    """The store could not be reached, or refused the transaction."""
