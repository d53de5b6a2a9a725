"""Asset rows of Google Ads: responsive search ads, Performance Max asset groups, and cards in the same form.

Source: a CSV file, one asset a row, with a header in the words of the API (`ad_group_ad_asset_view.field_type`), of its
last part (`field_type`) or of the asset report (`Asset type`); capitals and spaces do not matter.

| column | names |
|---|---|
| kind, required | field_type, asset_type, type |
| text | text, asset, asset_text |
| picture's address | url, image_url |
| product | ad_group, ad_group_id, asset_group, asset_group_id, ad, campaign, product_id; left out: one product |
| pin | pinned_field, pinned, pin, pinned_position: HEADLINE_1 to 3, DESCRIPTION_1 and 2, or the number alone |
| status | status, asset_status: enabled, paused, disapproved, removed ... ; left out: approved |

Other columns, such as impressions and labels, are named in the summary and left out: they count assets, not
combinations. Rows are counted from 1, below the header.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genco.errors import ConfigError, DataError
from genco.storage.importers.asset_profiles import PROFILES
from genco.storage.importers.assets import AssetRow, write_assets
from genco.storage.importers.source import find_file, first_line, names_found, scan_table, separator_hint
from genco.storage.importers.summary import ImportSummary, refuse_num_impressions
from genco.storage.toml_keys import unknown_value

ORIGIN = "Google Ads asset rows, https://developers.google.com/google-ads/api/fields/latest/ad_group_ad_asset_view"
COLUMNS = {
    "field": ("field_type", "asset_type", "type"),
    "text": ("text", "asset", "asset_text"),
    "url": ("url", "image_url"),
    "product": ("ad_group", "ad_group_id", "asset_group", "asset_group_id", "ad", "campaign", "product_id"),
    "pin": ("pinned_field", "pinned", "pin", "pinned_position"),
    "status": ("status", "asset_status"),
}
_NO_PIN = ("", "UNSPECIFIED", "UNKNOWN", "NONE", "-", "--")


def import_google(
    source: Path,
    out: Path,
    num_impressions: int | None = None,
    seed: int = 0,
    *,
    profile: str = "google_rsa",
    overwrite: bool = False,
) -> ImportSummary:
    """Write the assets as a dataset folder without impressions at `out`; pins become rules. `seed` has no effect.

    profile: google_rsa, google_pmax or jd_card. Assets that break its limits are left out, each listed in the summary.
    Raises `DataError` where the file is no such table or nothing is left; `ConfigError` for another profile, or if
    `num_impressions` is given.
    """
    del seed
    refuse_num_impressions("google", num_impressions)
    if profile not in PROFILES:
        raise ConfigError(f"Parameter {unknown_value('profile', profile, tuple(PROFILES))}")
    path = find_file(Path(source), (".csv",))
    table, others = _read(path)
    rows = [_row(number, path.stem, values) for number, values in enumerate(table.iter_rows(named=True), 1)]
    notes = (f"columns not imported: {', '.join(others)}",) if others else ()
    origin = {"source": ORIGIN, "citation": f"advertiser's report, {path.name}"}
    return write_assets(rows, PROFILES[profile], path, origin, notes, Path(out), overwrite)


def _read(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The known columns by our names, absent ones empty; and the names of the others."""
    lazy = scan_table(path, ())
    given = lazy.collect_schema().names()
    found = {
        ours: next((n for word in words for n in given if word in _words(n)), None) for ours, words in COLUMNS.items()
    }
    if found["field"] is None or (found["text"] is None and found["url"] is None):
        needed = "a column of kinds (field_type) and one of texts (text) or addresses (url)"
        hint = separator_hint([name.lower().replace(" ", "_") for name in given], ("field_type",))
        raise DataError(f"{path}: {needed} are expected. Found {names_found(given)}.{hint}")
    columns = {ours: pl.lit("") if name is None else pl.col(name).fill_null("") for ours, name in found.items()}
    try:
        table = lazy.select(**columns).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table. {first_line(error)}") from error
    return table, [name for name in given if name not in found.values()]


def _words(name: str) -> tuple[str, str]:
    """A column's name as one word, and the last part of it."""
    plain = name.strip().lower().replace(" ", "_")
    return plain.replace(".", "_"), plain.split(".")[-1]


def _row(number: int, name: str, values: dict[str, str]) -> AssetRow:
    field = values["field"].strip()
    pin = values["pin"].strip().upper().replace(" ", "_")
    if pin.isdigit():
        pin = f"{field.upper().replace(' ', '_')}_{pin}"
    return AssetRow(
        row=str(number),
        product_id=values["product"].strip() or name,
        field=field,
        content=values["text"].strip(),
        image_uri=values["url"].strip(),
        pin="" if pin in _NO_PIN else pin,
        status=values["status"].strip(),
    )
