"""One file per outside format: `import_<format>(source, out, num_impressions, seed, ...)` returns an `ImportSummary`.

An importer either leaves a complete dataset folder at `out` or nothing at all, and every row of the source is written
or counted under a reason.
"""

from __future__ import annotations

from collections.abc import Callable

from genco.storage.importers.aes import import_aes
from genco.storage.importers.autoco import import_autoco
from genco.storage.importers.google import import_google
from genco.storage.importers.meta import import_meta
from genco.storage.importers.obd import import_obd
from genco.storage.importers.summary import ImportSummary
from genco.storage.importers.table import import_table
from genco.storage.importers.upworthy import import_upworthy

__all__ = [
    "IMPORTERS",
    "ImportSummary",
    "import_aes",
    "import_autoco",
    "import_google",
    "import_meta",
    "import_obd",
    "import_table",
    "import_upworthy",
]

IMPORTERS: dict[str, Callable[..., ImportSummary]] = {
    "table": import_table,
    "upworthy": import_upworthy,
    "aes": import_aes,
    "autoco": import_autoco,
    "obd": import_obd,
    "meta": import_meta,
    "google": import_google,
}
"""By the name used in `genco import FORMAT`."""
