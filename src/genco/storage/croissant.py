"""A dataset folder described in MLCommons Croissant 1.0, for catalogues and loaders of other people."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from genco.storage.catalogue_checks import ELEMENTS_FILE, PRODUCTS_FILE
from genco.storage.dataset import Dataset, read_catalogue_tables
from genco.storage.impression_files import IMPRESSIONS_FOLDER

CROISSANT_FILE = "dataset.croissant.json"
_PARQUET = "application/x-parquet"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_DESCRIPTIONS = {
    "num_impressions": "times shown; 1 for a single impression",
    "num_clicks": "clicks of these impressions",
    "propensity": "probability of this combination under the policy that chose it; null = not logged",
    "product_id": "the product shown; in elements, null = shared by all products",
    "status": "approved, pending or blocked",
}


def croissant(dataset: Dataset) -> dict[str, Any]:
    """Return the description: files, tables, columns and their types. Keys of `origin` that Croissant knows are used.

    Known keys of `origin`: description, license, url, citation, version, date_published.
    """
    meta, origin = dataset.meta, dataset.meta.origin
    known = {"license": "license", "url": "url", "citation": "citeAs", "version": "version"}
    known["date_published"] = "datePublished"
    products, elements = read_catalogue_tables(dataset.path)
    slots = ", ".join(slot.name for slot in meta.slots)
    described = origin.get("description", f"Impressions of product cards with slots {slots}, and their catalogue.")
    record_sets = [
        _record_set("products", {"fileObject": {"@id": PRODUCTS_FILE}}, products.to_arrow().schema, "product_id"),
        _record_set("elements", {"fileObject": {"@id": ELEMENTS_FILE}}, elements.to_arrow().schema, "element_id"),
    ]
    distribution = [_file_object(dataset, PRODUCTS_FILE), _file_object(dataset, ELEMENTS_FILE)]
    if dataset.files:
        schema = dataset.files[0].schema
        record_sets.append(_record_set(IMPRESSIONS_FOLDER, {"fileSet": {"@id": "impression-files"}}, schema, None))
        distribution.append(_file_set())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": meta.name,
        "description": str(described),
        **{theirs: str(origin[ours]) for ours, theirs in known.items() if ours in origin},
        "distribution": distribution,
        "recordSet": record_sets,
    }


def _file_object(dataset: Dataset, name: str) -> dict[str, Any]:
    content = (dataset.path / name).read_bytes()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name.rsplit("/", 1)[-1],
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": _PARQUET,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _file_set() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "impression-files",
        "name": "impression-files",
        "encodingFormat": _PARQUET,
        "includes": f"{IMPRESSIONS_FOLDER}/**/*.parquet",
    }


def _record_set(name: str, source: dict[str, Any], schema: pa.Schema, key: str | None) -> dict[str, Any]:
    fields = []
    for column in schema:
        described = {"description": _DESCRIPTIONS[column.name]} if column.name in _DESCRIPTIONS else {}
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column.name}",
                "name": column.name,
                **described,
                "dataType": _data_type(column.type),
                "source": {**source, "extract": {"column": column.name}},
            }
        )
    keys = {"key": {"@id": f"{name}/{key}"}} if key else {}
    return {"@type": "cr:RecordSet", "@id": name, "name": name, **keys, "field": fields}


def _data_type(kind: pa.DataType) -> str:
    checks = (
        (pa.types.is_boolean, "sc:Boolean"),
        (pa.types.is_integer, "sc:Integer"),
        (pa.types.is_floating, "sc:Float"),
        (pa.types.is_decimal, "sc:Float"),
        (pa.types.is_timestamp, "sc:Date"),
        (pa.types.is_date, "sc:Date"),
    )
    return next((name for check, name in checks if check(kind)), "sc:Text")
