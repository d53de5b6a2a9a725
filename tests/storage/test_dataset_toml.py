"""`dataset.toml` and its rules: exact round trips, and a message for each way of writing them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kits.small_dataset import write_small

from genco.data.catalogue import Slot
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule
from genco.errors import DataError, UnknownIdError
from genco.storage.dataset import open_dataset
from genco.storage.dataset_toml import DatasetMeta, read_meta, write_meta
from genco.storage.rules_toml import rule_from_table, rule_to_table
from genco.storage.validate import validate_dataset

NAME = st.text(min_size=1, max_size=8)
PAIRS = st.lists(st.tuples(NAME, NAME), max_size=3).map(tuple)
RULES = st.one_of(
    st.builds(Pin, NAME, NAME, st.none() | NAME),
    st.builds(Block, NAME, st.none() | NAME, st.none() | NAME),
    st.builds(Forbid, PAIRS, st.none() | NAME),
    st.builds(Allow, st.tuples(NAME, NAME), PAIRS, st.none() | NAME),
    st.builds(Only, NAME, st.lists(st.tuples(st.none() | NAME, NAME), max_size=3).map(tuple)),
    st.builds(Distinct, st.lists(NAME, max_size=3).map(tuple)),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(RULES, max_size=4), name=st.text(max_size=20), source=st.text(max_size=20))
def test_round_trip(tmp_path: Path, rules: list[Rule], name: str, source: str) -> None:
    meta = DatasetMeta(
        name,
        (Slot("a", "x"), Slot("b", "y", required=False)),
        tuple(rules),
        reward="revenue",
        context=("seg",),
        origin={"source": source, "rows": 3, "share": 0.5},
        split="product",
    )
    write_meta(tmp_path, meta)
    assert read_meta(tmp_path) == meta


def test_empty_element_is_an_empty_text() -> None:
    rule = Only("p", (("a", None),))
    assert rule_to_table(rule) == {"kind": "only", "product_id": "p", "combinations": [["a", ""]]}
    assert rule_from_table(rule_to_table(rule), "here") == rule


HEAD = 'name = "d"\nschema_version = 1\n'
SLOT = '[[slots]]\nname = "title"\n'
BROKEN = [
    (HEAD + 'rewrad = "x"\n' + SLOT, r"dataset.toml: unknown key 'rewrad'. Did you mean 'reward'\?"),
    (
        HEAD + 'reward = "clicks"\n' + SLOT,
        r"dataset.toml: Key `reward`: unknown reward 'clicks'. Did you mean 'num_clicks",
    ),
    (HEAD + "reward = 3\n" + SLOT, "key `reward` should be a text. Found 3"),
    (HEAD + 'split = "week"\n' + SLOT, "unknown split 'week'. Known: time, product"),
    ('name = "d"\nschema_version = 7\n' + SLOT, "key `schema_version` should be 1. Found 7"),
    ('name = "d"\n' + SLOT, "key `schema_version` should be 1. Found None"),
    (HEAD, "key `slots` is missing. Found name, schema_version"),
    (HEAD + "slots = []\n", "Key `slots` should name at least one slot"),
    (HEAD + SLOT + "requierd = true\n", r"slot 0: unknown key 'requierd'. Did you mean 'required'\?"),
    (HEAD + SLOT + 'required = "yes"\n', "slot 0: key `required` should be true or false. Found 'yes'"),
    (HEAD + SLOT + SLOT, "name of a slot should be unique and not reserved. Found 'title', used twice"),
    (HEAD + '[[slots]]\nname = "revenue"\n', "Found 'revenue', a reserved column"),
    (HEAD + 'context = ["title"]\n' + SLOT, "name of a context column should be unique.*Found 'title', used twice"),
    (HEAD + "context = [1]\n" + SLOT, r"key `context` should be a list of texts. Found \[1\]"),
    (HEAD + SLOT + '[[rules]]\nkind = "pine"\n', r"rule 0: unknown kind 'pine'. Did you mean 'pin'\?"),
    (HEAD + SLOT + '[[rules]]\nkind = "pin"\nslot = "title"\n', "rule 0: a rule of kind 'pin' needs the key `element`"),
    (HEAD + SLOT + '[[rules]]\nkind = "distinct"\nslot = ["a"]\n', r"unknown key 'slot'. Did you mean 'slots'\?"),
    (
        HEAD + SLOT + '[[rules]]\nkind = "forbid"\npairs = [["a"]]\n',
        "key `pairs`, entry 0: a list of 2 texts is expected",
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_broken_description_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_meta(tmp_path)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('kind = "pin"\nslot = "titel"\nelement = "t1"', r"unknown slot 'titel'. Did you mean 'title'\?"),
        ('kind = "pin"\nslot = "title"\nelement = "t9"', "rule 0: pin 't9' in slot 'title': an element.*Found 't9'"),
        ('kind = "block"\nelement = "t1"\nproduct_id = "p9"', "a product_id that exists is expected. Found 'p9'"),
        ('kind = "only"\nproduct_id = "p1"\ncombinations = [["t1"]]', "combinations of 2 slots are expected. Found "),
        ('kind = "distinct"\nslots = ["title", "tag"]', "unknown slot 'tag'"),
    ],
)
def test_rules_that_name_what_is_not_there(tmp_path: Path, rule: str, message: str) -> None:
    folder = write_small(tmp_path / "d")
    file = folder / "dataset.toml"
    file.write_text(file.read_text().replace("rules = []\n", "") + f"\n[[rules]]\n{rule}\n")
    with pytest.raises(DataError, match=message) as caught:
        _ = open_dataset(folder).catalogue
    assert isinstance(caught.value, UnknownIdError) or "combinations" in message
    assert len(validate_dataset(folder)) == 1
