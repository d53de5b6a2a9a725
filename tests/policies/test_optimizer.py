"""A trained run that answers: proposals with exact credit, on the run's catalogue or a later one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.kits.policy import check_decision, check_proposals

from genco.data.catalogue import Catalogue, Slot
from genco.errors import CheckpointError, ConfigError, DataError, RuleError, UnknownIdError
from genco.policies.optimizer import Optimizer, load, model_version
from genco.storage.dataset import Dataset
from genco.storage.runs import RunFolder


def test_proposals_are_distinct_legal_ranked_and_add_up(card_optimizer: Optimizer, card: Dataset) -> None:
    found = card_optimizer.generate("p00003", {"segment": "s2"}, k=10)
    assert len(found) == 10
    assert len({tuple(p.combination.items()) for p in found}) == 10
    assert [p.uplift for p in found] == sorted((p.uplift for p in found), reverse=True)
    for proposal in found:
        shown = [e for slot, e in proposal.combination.items() if slot.startswith("highlight")]
        assert len(set(shown)) == 3
        assert 0 < proposal.click_probability < 1 and 0 < proposal.propensity <= 1 and proposal.log_prob <= 0
        assert sum(credit.total for credit in proposal.attribution) == pytest.approx(proposal.uplift, abs=1e-5)
        for credit in proposal.attribution:
            assert credit.low <= credit.total <= credit.high
            assert credit.total == pytest.approx(credit.own + credit.interaction + credit.residual, abs=1e-6)
            if credit.element_id is not None:
                row = card.catalogue.element_rows[credit.element_id]
                assert credit.text == card.catalogue.elements["text"][row]
                assert card.catalogue.elements["status"][row] == "approved"
            else:
                assert credit.slot == "tag" and credit.text is None


def test_policy_and_decision_conform_on_a_real_card(card_optimizer: Optimizer) -> None:
    request = card_optimizer.request("p00001", {"segment": "s0"})
    assert request.space.is_constrained
    for num in (1, 4, 16):
        check_proposals(request.policy, request.space, num)
    check_decision(card_optimizer.policy.decide(request), request.space, draws=3_000)


def test_same_question_same_answer(card_optimizer: Optimizer, card_run: RunFolder) -> None:
    first, second = (o.generate("p00000", {"segment": "s1"}, k=5) for o in (card_optimizer, load(card_run.path)))
    assert first == second
    assert json.loads(json.dumps([p.to_dict() for p in first]))[0]["combination"] == first[0].combination


def test_another_process_gives_the_same_list(card_optimizer: Optimizer, card_run: RunFolder) -> None:
    """Permuted highlights are exact ties: below the best, too, they come in one order."""
    code = (
        "import json, sys, genco\n"
        "found = genco.load(sys.argv[1]).generate('p00000', {'segment': 's1'}, k=40)\n"
        "print(json.dumps([p.to_dict() for p in found]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(card_run.path)], capture_output=True, text=True, check=True)
    there = json.loads(done.stdout)
    here = card_optimizer.generate("p00000", {"segment": "s1"}, k=40)
    assert [p["combination"] for p in there] == [p.combination for p in here]
    assert [p["uplift"] for p in there] == pytest.approx([p.uplift for p in here], abs=1e-5)
    cards = [tuple(sorted(str(e) for e in p.combination.values())) for p in here]
    assert len(set(cards)) < len(cards)


def test_the_whole_space_comes_out_where_it_is_small(pairs_optimizer: Optimizer) -> None:
    found = pairs_optimizer.generate("p00000", k=1_000)
    assert len(found) == 100
    assert sum(p.propensity for p in found) == pytest.approx(1, abs=1e-4)
    assert sum(np.exp(p.log_prob) for p in found) == pytest.approx(1, abs=1e-4)


def test_pins_and_exclusions(card_optimizer: Optimizer) -> None:
    free = card_optimizer.generate("p00002", k=1)[0].combination
    other = next(
        p.combination["title"]
        for p in card_optimizer.generate("p00002", k=60)
        if p.combination["title"] != free["title"]
    )
    assert other is not None and free["image"] is not None
    found = card_optimizer.generate("p00002", k=5, pinned={"title": other}, excluded=[free["image"]])
    assert {p.combination["title"] for p in found} == {other}
    assert free["image"] not in {p.combination["image"] for p in found}


def test_contexts(pairs_optimizer: Optimizer) -> None:
    known, unknown = pairs_optimizer.context({"segment": "s1"}), pairs_optimizer.context({"segment": "never seen"})
    assert known.sum() == 1 and not unknown.any()
    np.testing.assert_array_equal(pairs_optimizer.context(), unknown)
    with pytest.raises(UnknownIdError, match=r"Unknown context column 'device'\. The run has: segment"):
        pairs_optimizer.context({"device": "phone"})


def test_what_cannot_be_asked(card_optimizer: Optimizer) -> None:
    with pytest.raises(UnknownIdError, match="Unknown product_id 'nope'"):
        card_optimizer.generate("nope")
    with pytest.raises(ConfigError, match="`k` should be positive"):
        card_optimizer.generate("p00000", k=0)
    with pytest.raises(UnknownIdError, match="nope"):
        card_optimizer.generate("p00000", excluded=["nope"])
    images = card_optimizer.catalogue.pool(card_optimizer.catalogue.product_row("p00000"), 1)
    ids = card_optimizer.catalogue.elements["element_id"].gather(pl.Series(images)).to_list()
    with pytest.raises(RuleError):
        card_optimizer.generate("p00000", excluded=ids)


def test_an_unknown_exclusion_or_a_number_as_text(pairs_optimizer: Optimizer) -> None:
    """Values come from command lines as text; a number column takes it, words it refuses."""
    encoder = pairs_optimizer.encoders.context
    assert encoder.transform_some({"segment": "s0"}).shape == (encoder.dim,)


def with_new_title(catalogue: Catalogue) -> Catalogue:
    """A later catalogue: one more title for p00000, made of its first title's content, and one more product."""
    first = catalogue.elements.filter((pl.col("product_id") == "p00000") & (pl.col("component") == "title")).head(1)
    new = first.with_columns(element_id=pl.lit("new title"))
    others = catalogue.elements.filter(pl.col("product_id") == "p00001").with_columns(
        element_id="copy " + pl.col("element_id"), product_id=pl.lit("p-new")
    )
    product = catalogue.products.filter(pl.col("product_id") == "p00001").with_columns(product_id=pl.lit("p-new"))
    return replace(
        catalogue,
        elements=pl.concat([catalogue.elements, new, others]),
        products=pl.concat([catalogue.products, product]),
    )


def test_a_later_catalogue_changes_no_other_prediction(pairs_optimizer: Optimizer) -> None:
    later = pairs_optimizer.on(with_new_title(pairs_optimizer.catalogue))
    before = pairs_optimizer.generate("p00000", {"segment": "s1"}, k=100)
    after = later.generate("p00000", {"segment": "s1"}, k=200)
    assert len(after) == 120
    scores = {tuple(p.combination.values()): p.uplift for p in after}
    for proposal in before:
        assert scores[tuple(proposal.combination.values())] == pytest.approx(proposal.uplift, abs=1e-5)


def test_a_new_element_and_a_new_product_fall_back_on_content(pairs_optimizer: Optimizer) -> None:
    later = pairs_optimizer.on(with_new_title(pairs_optimizer.catalogue))
    bound, rows = later.policy.bound, later.catalogue.element_rows
    twin = later.catalogue.pool(0, 0)[0]
    np.testing.assert_array_equal(bound.latents[rows["new title"]], bound.latents[twin])
    assert bound.element_mean[rows["new title"]] == 0
    assert bound.element_var[rows["new title"]] == pytest.approx(later.model.element_variance)
    found = later.generate("p-new", {"segment": "s1"}, k=3)
    assert len(found) == 3 and all(p.combination["title"].startswith("copy") for p in found)  # type: ignore[union-attr]


def test_other_slots_are_refused(pairs_optimizer: Optimizer) -> None:
    catalogue = replace(pairs_optimizer.catalogue, slots=(Slot("headline", "title"),))
    with pytest.raises(
        UnknownIdError, match=r"slots of the data should be those of the run: \['title', 'image', 'tag'\]"
    ):
        pairs_optimizer.on(catalogue)


def test_other_components_under_the_same_slot_names_are_refused(pairs_optimizer: Optimizer) -> None:
    title, *others = pairs_optimizer.catalogue.slots
    catalogue = replace(pairs_optimizer.catalogue, slots=(replace(title, component="image"), *others))
    with pytest.raises(UnknownIdError, match=r"Slot 'title' should show the component 'title'.*Found 'image'"):
        pairs_optimizer.on(catalogue)


def test_what_is_no_run_is_refused(tmp_path: Path, pairs_run: RunFolder) -> None:
    with pytest.raises(CheckpointError, match="not a run folder"):
        load(tmp_path)
    unfinished = RunFolder.create(tmp_path / "run", {}, "f")
    with pytest.raises(CheckpointError, match="interrupted"):
        load(unfinished.path)


def test_a_numeric_context_refuses_words() -> None:
    from genco.data.features import ContextEncoder

    encoder = ContextEncoder.fit({"hour": np.array([1.0, 3.0])})
    assert encoder.transform_some({"hour": "3"}).tolist() == [1.0]
    with pytest.raises(DataError, match=r"'hour': a number is expected\. Found 'noon'"):
        encoder.transform_some({"hour": "noon"})
    for far in (10**400, 1e300, 1e12):  # one such row would decide alone what is learned, or spoil it
        with pytest.raises(DataError, match="hour"):
            encoder.transform_some({"hour": far})


def test_the_version_is_the_model(card_optimizer: Optimizer) -> None:
    model, network = card_optimizer.model, card_optimizer.network
    version = model_version(model, network)
    assert version == card_optimizer.policy.version == model_version(model, network)
    for moved in (replace(model, theta=model.theta + np.float32(1e-3)), replace(model, calibration=(0.5, 0.0))):
        assert model_version(moved, network) != version
    other = replace(network, arrays={**network.arrays, "foresight": network.arrays["foresight"] + np.float32(1e-3)})
    assert model_version(model, other) != version
