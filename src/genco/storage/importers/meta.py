"""Meta's `asset_feed_spec` (dynamic creative): pictures, videos, bodies, titles, descriptions, calls to action.

Source: a JSON file with one spec, one ad that has the key `asset_feed_spec`, or a list of either. An ad is a product,
named by its `id`, else its `name`, else the file and its number. Read: `images` (url or hash), `videos` (video_id,
thumbnail_url), `bodies`, `titles`, `descriptions` (text) and `call_to_action_types`; whatever else a spec says is
counted and left out. In messages a row is `product/field/number`, counted from 1.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genco.errors import DataError
from genco.storage.importers.asset_profiles import META_DYNAMIC_CREATIVE
from genco.storage.importers.assets import AssetRow, write_assets
from genco.storage.importers.source import find_file
from genco.storage.importers.summary import ImportSummary, refuse_num_impressions

ORIGIN = "Meta asset_feed_spec, https://developers.facebook.com/docs/marketing-api/reference/ad-asset-feed-spec"
SPEC = "asset_feed_spec"
FIELDS = ("images", "videos", "bodies", "titles", "descriptions", "call_to_action_types")


def import_meta(
    source: Path, out: Path, num_impressions: int | None = None, seed: int = 0, *, overwrite: bool = False
) -> ImportSummary:
    """Write the ads' assets as a dataset folder without impressions at `out`. `seed` has no effect.

    Assets that break a limit of `meta_dynamic_creative` are left out, each listed in the summary. Raises `DataError`
    where the file is no such JSON or nothing is left; `ConfigError` if `num_impressions` is given.
    """
    del seed
    refuse_num_impressions("meta", num_impressions)
    path = find_file(Path(source), (".json",))
    rows: list[AssetRow] = []
    ignored: Counter[str] = Counter()
    for product, spec in _specs(path):
        rows += _rows(path, product, spec)
        others = {name: value for name, value in spec.items() if name not in FIELDS}
        ignored.update({name: len(value) if isinstance(value, list) else 1 for name, value in others.items()})
    notes = tuple(f"not imported: {count:,} of {name}" for name, count in sorted(ignored.items()))
    origin = {"source": ORIGIN, "citation": f"advertiser's feed, {path.name}"}
    return write_assets(rows, META_DYNAMIC_CREATIVE, path, origin, notes, Path(out), overwrite)


def _specs(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Product and spec of every ad."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(found, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: a JSON file is expected. {error}") from error
    ads = found if isinstance(found, list) else [found]
    seen: set[str] = set()
    for number, ad in enumerate(ads, 1):
        if not isinstance(ad, Mapping):
            raise DataError(f"{path}, ad {number}: an object is expected. Found {type(ad).__name__}.")
        spec = ad.get(SPEC, ad)
        if not isinstance(spec, Mapping) or not any(name in spec for name in FIELDS):
            raise DataError(
                f"{path}, ad {number}: an object with one of {', '.join(FIELDS)} is expected. Found {_short(ad)}."
            )
        named = _name(ad.get("id")) or _name(ad.get("name"))
        product = named or (path.stem if len(ads) == 1 else f"{path.stem}-{number}")
        if product in seen:
            raise DataError(f"{path}, ad {number}: an id that no earlier ad has is expected. Found {product!r}.")
        seen.add(product)
        yield product, spec


def _rows(path: Path, product: str, spec: Mapping[str, Any]) -> Iterator[AssetRow]:
    for name in FIELDS:
        entries = spec.get(name, [])
        if not isinstance(entries, list):
            raise DataError(f"{path}, {product}/{name}: a list is expected. Found {_short(entries)}.")
        for number, entry in enumerate(entries, 1):
            yield AssetRow(f"{product}/{name}/{number}", product, name, *_content(name, entry))


def _content(name: str, entry: Any) -> tuple[str, str]:
    """Text of an asset, or the name of its picture and its address; nothing where the entry has another shape."""
    if name == "call_to_action_types":
        return (entry, "") if isinstance(entry, str) else ("", "")
    if not isinstance(entry, Mapping):
        return "", ""
    if name == "images":
        known = _name(entry.get("hash")) or _name(entry.get("url"))
        return known, _name(entry.get("url")) or known
    if name == "videos":
        known = _name(entry.get("video_id"))
        return known, (_name(entry.get("thumbnail_url")) or known) if known else ""
    text = entry.get("text")
    return (text, "") if isinstance(text, str) else ("", "")


def _name(value: Any) -> str:
    """A text or whole number as a name, "" for anything else."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
