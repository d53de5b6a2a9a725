"""What an importer did, in numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass, field

from genco.errors import ConfigError

SHOWN_LETTERS = 80


@dataclass(frozen=True)
class RowError:
    """Why a row was left out. row: where it stands in the source, "" = no single row · rule: in words."""

    row: str
    field: str
    rule: str
    value: str

    def __str__(self) -> str:
        where = f"row {self.row}, " if self.row else ""
        value = self.value if len(self.value) <= SHOWN_LETTERS else f"{self.value[:SHOWN_LETTERS]}..."
        return f"{where}{self.field}: {self.rule}; found {value!r}"


@dataclass(frozen=True)
class ImportSummary:
    """Rows of the source are either written or counted under a reason: `rows_read = rows_written + sum(dropped)`.

    name: of the dataset · dropped: reason -> rows (merging k rows into one counts k - 1 under `merged...`) ·
    origin: who made the data and where the original is · notes: what to know before believing a number · errors: rows
    left out for what they say, where the format lists them.
    """

    name: str
    rows_read: int
    rows_written: int
    dropped: dict[str, int] = field(default_factory=dict)
    origin: str = ""
    notes: tuple[str, ...] = ()
    errors: tuple[RowError, ...] = ()


def refuse_num_impressions(format_name: str, num_impressions: int | None) -> None:
    """Raise `ConfigError` where a log is read as it is, so that no number of impressions can be asked for."""
    if num_impressions is not None:
        raise ConfigError(
            f"Parameter `num_impressions` applies to formats whose log is drawn (aes, autoco), not to {format_name}. "
            f"Found `num_impressions = {num_impressions}`."
        )
