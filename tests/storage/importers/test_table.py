"""An engineer's own log: every way the map may say it, and every way the tables may be wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.kits.importer import check_refusal

from genco.data.rules import Distinct
from genco.errors import ConfigError, DataError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.importers import table
from genco.storage.importers.table import import_table
from genco.storage.importers.table_map import read_table_map
from genco.storage.validate import validate_dataset

LOG = """sku,shown_at,views,clicks,p,visitor,hour,headline,badge_id
007,2026-03-01T10:00:00,10,1,0.5,new,9,Red shoes,b1
007,2026-03-01 11:00:00,20,2,,old,10,Blue “shoes”,
8,2026-03-02,30,3,0.25,,11,Red shoes,b1
"""
MAP = """name = "spring"
[columns]
product_id = "sku"
timestamp = "shown_at"
num_impressions = "views"
num_clicks = "clicks"
propensity = "p"
[context]
segment = "visitor"
hour = "hour"
[slots.title]
column = "headline"
values = "texts"
[slots.badge]
column = "badge_id"
required = false
shared = true
"""
ELEMENTS = """id,kind,sku,copy,state,length
h1,title,007,Red shoes,approved,9
h2,title,,Blue shoes,approved,10
b1,badge,,,pending,
"""
GIVEN = """name = "given"
[columns]
num_clicks = "clicks"
product_id = "sku"
[slots.title]
column = "headline"
[slots.badge]
column = "badge_id"
required = false
[products]
file = "products.csv"
product_id = "sku"
[elements]
file = "elements.csv"
element_id = "id"
component = "kind"
product_id = "sku"
text = "copy"
status = "state"
[origin]
source = "web log"
[[rules]]
kind = "distinct"
slots = ["title", "badge"]
"""
GIVEN_LOG = "sku,headline,badge_id,clicks\n007,h1,b1,1\n8,h2,,0\n"


def _write(folder: Path, log: str = LOG, column_map: str = MAP, **tables: str) -> Path:
    """Write log, map and tables; returns the log's path."""
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text(log)
    (folder / "log.toml").write_text(column_map)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder / "log.csv"


def _import(folder: Path, **texts: str) -> Dataset:
    summary = import_table(_write(folder, **texts), folder / "out")
    dataset = open_dataset(folder / "out")
    assert validate_dataset(folder / "out") == []
    assert summary.rows_read == summary.rows_written == dataset.num_rows
    return dataset


def test_log_alone(tmp_path: Path) -> None:
    dataset = _import(tmp_path)
    catalogue, (batch,) = dataset.catalogue, dataset.batches()
    assert catalogue.products["product_id"].to_list() == ["007", "8"]
    elements = catalogue.elements.select("product_id", "component", "text")
    assert sorted(elements.rows(), key=str) == [
        ("007", "title", "Blue “shoes”"),
        ("007", "title", "Red shoes"),
        ("8", "title", "Red shoes"),
        (None, "badge", None),
    ]
    shown = [[None if e < 0 else elements.row(e)[2] for e in row] for row in batch.combination.tolist()]
    assert [row[0] for row in shown] == ["Red shoes", "Blue “shoes”", "Red shoes"]
    assert (batch.combination[:, 1] >= 0).tolist() == [True, False, True]
    assert batch.num_impressions.tolist() == [10, 20, 30]
    assert batch.reward.tolist() == [1, 2, 3]
    assert batch.propensity.tolist()[::2] == [0.5, 0.25]
    assert batch.context["segment"].tolist() == ["new", "old", None]
    assert batch.context["hour"].tolist() == [9.0, 10.0, 11.0]
    assert (batch.timestamp // 3_600_000_000 % 24).tolist() == [10, 11, 0]


def test_tables_of_products_and_elements(tmp_path: Path) -> None:
    products = "sku,price,brand\n007,9.5,Acme\n8,,Über\n9,1,Acme\n"
    dataset = _import(tmp_path, log=GIVEN_LOG, column_map=GIVEN, elements=ELEMENTS, products=products)
    catalogue, (batch,) = dataset.catalogue, dataset.batches()
    assert catalogue.products.rows() == [("007", 9.5, "Acme"), ("8", None, "Über"), ("9", 1.0, "Acme")]
    assert catalogue.elements["length"].to_list() == [9, 10, None]
    assert catalogue.elements["status"].to_list() == ["approved", "approved", "pending"]
    assert batch.combination.tolist() == [[0, 2], [1, -1]]
    assert dataset.meta.rules == (Distinct(("title", "badge")),)
    assert dataset.meta.origin == {"source": "web log"}


def test_same_from_parquet(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    from_csv = _import(tmp_path / "a")
    path = tmp_path / "log.parquet"
    pl.read_csv(LOG.encode(), schema_overrides={"sku": pl.String}).write_parquet(path)
    import_table(path, tmp_path / "out", column_map=tmp_path / "a" / "log.toml")
    (a,), (b,) = from_csv.batches(), open_dataset(tmp_path / "out").batches()
    assert a.combination.tolist() == b.combination.tolist()
    assert a.timestamp.tolist() == b.timestamp.tolist()
    assert a.context["hour"].tolist() == b.context["hour"].tolist()


@pytest.mark.parametrize(
    ("cell", "key", "hour"),
    [
        ("1772359200", 'timestamp_unit = "s"', 10),
        ("1772359200000", 'timestamp_unit = "ms"', 10),
        ("01.03.2026 10:00", 'timestamp_format = "%d.%m.%Y %H:%M"', 10),
        ("2026-03-01T10:00:00+02:00", "", 8),
        ("2026-03-01T10:00:00.123Z", "", 10),
        ("2026-03-01 10:00", "", 10),
    ],
)
def test_times(tmp_path: Path, cell: str, key: str, hour: int) -> None:
    log = "a,t,clicks\nx," + cell + ",1\n"
    column_map = key + '\n[columns]\nnum_clicks = "clicks"\ntimestamp = "t"\n[slots.a]\n'
    (batch,) = _import(tmp_path, log=log, column_map=column_map).batches()
    assert batch.timestamp[0] // 3_600_000_000 == 492_312 + hour


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    """Named in the map; without it, the message says what would help."""
    log = LOG.replace(",", separator)
    with pytest.raises(DataError, match=r"seem to be separated by '(;|\\t|\|)'"):
        _import(tmp_path / "a", log=log)
    read = _import(tmp_path / "b", log=log, column_map=f"separator = {json.dumps(separator)}\n{MAP}")
    assert read.num_rows == 3
    assert read.catalogue.num_elements == 4


def test_doubled_impression_ids_are_refused(tmp_path: Path) -> None:
    log = "nr," + "".join(f"{nr},{line}\n" for nr, line in zip(("", 1, 2, 1), LOG.splitlines(), strict=True))[1:]
    source = _write(tmp_path, log, MAP.replace("[columns]", '[columns]\nimpression_id = "nr"'))
    check_refusal(import_table, source, tmp_path / "out", "log.csv, row 3, column 'nr'", "no earlier row", "'1'")


def test_single_product_and_categorical_numbers(tmp_path: Path) -> None:
    column_map = 'categorical = ["hour"]\n' + MAP.replace('product_id = "sku"\n', "")
    dataset = _import(tmp_path, column_map=column_map)
    assert dataset.catalogue.products["product_id"].to_list() == ["spring"]
    assert dataset.catalogue.num_elements == 3
    (batch,) = dataset.batches()
    assert batch.context["hour"].tolist() == ["9", "10", "11"]


def test_log_longer_than_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CHUNK_ROWS", 10)
    lines = [f"p{i % 7},{i},a{i % 3},{i % 2}" for i in range(1000)]
    columns = 'product_id = "sku"\ntimestamp = "t"\nnum_clicks = "c"'
    column_map = f'timestamp_unit = "us"\n[columns]\n{columns}\n[slots.a]\nshared = true\n'
    log = "sku,t,a,c\n" + "\n".join(lines) + "\n"
    dataset = _import(tmp_path, log=log, column_map=column_map)
    (batch,) = dataset.batches()
    assert batch.timestamp.tolist() == list(range(1000))
    bad = log.replace(",777,a0,1", ",777,a0,-1")
    check_refusal(
        import_table, _write(tmp_path, bad, column_map), tmp_path / "bad", "log.csv, row 778, column 'c'", "-1"
    )


BAD_LOGS: list[tuple[str, str, tuple[str, ...]]] = [
    (",2,,old", ",-2,,old", ("log.csv, row 2, column 'clicks'", "whole number", "-2")),
    (",2,,old", ",1.5,,old", ("row 2, column 'clicks'", "1.5")),
    (",2,,old", ",many,,old", ("row 2, column 'clicks'", "'many'")),
    (",2,,old", ",,,old", ("row 2, column 'clicks'", "a number is expected", "None")),
    (",2,,old", ",21,,old", ("row 2, column 'clicks'", "at most", "21")),
    ("3,0.25", "3,1.25", ("row 3, column 'p'", "(0, 1]", "1.25")),
    ("3,0.25", "3,0", ("row 3, column 'p'", "(0, 1]", "0.0")),
    ("2026-03-02", "yesterday", ("row 3, column 'shown_at'", "a time like", "'yesterday'")),
    ("Blue “shoes”", "", ("row 2, column 'headline'", "slot is required", "None")),
    ("\n8,", "\n,", ("row 3, column 'sku'", "a product_id is expected")),
    ("headline", "title", ("log.csv: column 'headline' is missing", "Found sku, ")),
]


@pytest.mark.parametrize(("old", "new", "shown"), BAD_LOGS)
def test_bad_row_is_named(tmp_path: Path, old: str, new: str, shown: tuple[str, ...]) -> None:
    assert old in LOG
    check_refusal(import_table, _write(tmp_path, LOG.replace(old, new)), tmp_path / "out", *shown)


@pytest.mark.parametrize(
    ("log", "elements", "shown"),
    [
        (GIVEN_LOG.replace("h2", "h9"), ELEMENTS, ("log.csv, row 2, column 'headline'", "'h9'")),
        (GIVEN_LOG.replace("8,h2", "9,h2"), ELEMENTS, ("log.csv, row 2, column 'sku'", "'9'")),
        (GIVEN_LOG.replace("8,h2", "8,h1"), ELEMENTS, ("log.csv, row 2, column 'headline'", "row's product", "'h1'")),
        (GIVEN_LOG, ELEMENTS.replace("h2", "h1"), ("elements.csv, row 2, column 'id'", "no earlier row", "'h1'")),
        (GIVEN_LOG, ELEMENTS.replace("pending", "live"), ("elements.csv, row 3, column 'state'", "'live'")),
        (GIVEN_LOG, ELEMENTS.replace("10\n", "inf\n"), ("elements.csv, row 2, column 'length'", "finite", "inf")),
        (GIVEN_LOG, ELEMENTS.replace("kind", "sort"), ("elements.csv: column 'kind' is missing",)),
        (GIVEN_LOG, ELEMENTS.replace(",length", ",text"), ("elements.csv, column 'text'", "rename")),
        ("sku,headline,badge_id,clicks\n", ELEMENTS, ("log.csv: at least one row",)),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, log: str, elements: str, shown: tuple[str, ...]) -> None:
    source = _write(tmp_path, log, GIVEN, elements=elements, products="sku\n007\n8\n")
    check_refusal(import_table, source, tmp_path / "out", *shown)


def test_a_log_that_shows_nothing(tmp_path: Path) -> None:
    header, *rows = LOG.splitlines()
    check_refusal(
        import_table, _write(tmp_path, header + "\n"), tmp_path / "out", "log.csv: at least one row is expected"
    )
    place = header.split(",").index("headline")
    empty = [",".join("" if i == place else cell for i, cell in enumerate(row.split(","))) for row in rows]
    source = _write(tmp_path, "\n".join([header, *empty]))
    check_refusal(
        import_table, source, tmp_path / "out", "log.csv, row 1, column 'headline'", "slot is required", "None"
    )


def test_id_shown_for_two_products_without_being_shared(tmp_path: Path) -> None:
    source = _write(tmp_path, column_map=MAP.replace("shared = true", "shared = false"))
    shown = ("log.csv", "`shared = true`", "'b1' in products '007' and '8'")
    check_refusal(import_table, source, tmp_path / "out", *shown)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[columns]", "[colums]", r"log.toml: unknown key 'colums'. Did you mean 'columns'\?"),
        ("num_clicks =", "num_click =", r"table `columns`: unknown key 'num_click'. Did you mean 'num_clicks'\?"),
        ("shared = true", "share = true", r"slot 'badge': unknown key 'share'. Did you mean 'shared'\?"),
        ('"texts"', '"text"', r"slot 'title': unknown values 'text'. Did you mean 'texts'\?"),
        ("shared = true", "shared = 1", "key `shared` should be true or false. Found 1"),
        ('"spring"', '"spring"\ntimestamp_unit = "min"', "unknown timestamp_unit 'min'"),
        ('"spring"', '"spring"\nreward = "clicks"', "Key `reward`: unknown reward 'clicks'"),
        ("[slots.badge]", '[slots.badge]\ncomponent = "title"', "slots of one component should have equal `values`"),
        ("[context]", '[elements]\nfile = "x"\n[context]', "table `elements`: key `element_id` is missing"),
        ('hour = "hour"', "hour = 3", "table `context`: names of columns are expected"),
    ],
)
def test_bad_map_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    source = _write(tmp_path, column_map=MAP.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        import_table(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_map_no_log_no_number(tmp_path: Path) -> None:
    source = _write(tmp_path)
    (tmp_path / "log.toml").rename(tmp_path / "other.toml")
    with pytest.raises(DataError, match=r"log.toml: a map of columns is expected .*Found no such file"):
        import_table(source, tmp_path / "out")
    with pytest.raises(DataError, match=r"a file or a folder is expected"):
        import_table(tmp_path / "absent.csv", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"num_impressions"):
        import_table(source, tmp_path / "out", 10)
    import_table(source, tmp_path / "out", column_map=tmp_path / "other.toml")
    with pytest.raises(DataError, match=r"out: a folder that does not exist yet"):
        import_table(source, tmp_path / "out", column_map=tmp_path / "other.toml")


def test_example_in_the_docstring_is_a_map(tmp_path: Path) -> None:
    lines = (table.__doc__ or "").split("map:\n", 1)[1].split("\nIds stay texts")[0]
    text = "\n".join(line.removeprefix("    ") for line in lines.splitlines())
    example: dict[str, Any] = tomllib.loads(text)
    for slot in example["slots"].values():
        slot.pop("values", None)
        slot.pop("shared", None)
    without = "\n".join(line for line in text.splitlines() if not line.startswith(("values", "shared")))
    (tmp_path / "map.toml").write_text(without)
    read = read_table_map(tmp_path / "map.toml")
    assert [slot.slot.name for slot in read.slots] == list(example["slots"])
    assert read.columns["segment"] == "visitor_kind"
