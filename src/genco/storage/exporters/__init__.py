"""One file per outside format: `export_<format>(dataset, out, overwrite)` returns an `ExportSummary`.

An exporter either leaves a complete file at its place or none, and every impression of the log is written or counted
under a reason. Aggregated rows are written impression by impression.
"""

from __future__ import annotations

from collections.abc import Callable

from genco.storage.exporters.obd import export_obd
from genco.storage.exporters.obp import export_obp
from genco.storage.exporters.summary import ExportSummary
from genco.storage.exporters.vw import export_vw

__all__ = ["EXPORTERS", "ExportSummary", "export_obd", "export_obp", "export_vw"]

EXPORTERS: dict[str, Callable[..., ExportSummary]] = {"vw": export_vw, "obp": export_obp, "obd": export_obd}
"""By the name used in `genco export --format`."""
