"""The dictionary of obp: by hand, and valued by obp's own estimators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.kits.exporter import check_export, check_refusals
from tests.kits.small_dataset import write_small

from genco.errors import DataError
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.exporters import export_obp, obp
from genco.storage.writer import DatasetWriter


def test_by_hand(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    check_export(export_obp, dataset, tmp_path / "log.npz", 6, 30)
    feedback = dict(np.load(tmp_path / "log.npz", allow_pickle=False))
    assert (int(feedback["n_rounds"]), int(feedback["n_actions"])) == (6, 4)
    assert feedback["combinations"].tolist() == [["t1", ""], ["t1", "b1"], ["t2", ""], ["t2", "b1"]]
    assert feedback["slots"].tolist() == ["title", "badge"]
    shown = feedback["combinations"][feedback["action"]]
    assert shown.tolist() == [["t1", "b1"], ["t2", ""], ["t1", ""], ["t2", "b1"], ["t1", ""], ["t2", ""]]
    assert feedback["action_context_names"].tolist() == ["title=t1", "title=t2", "badge=b1"]
    assert feedback["action_context"].tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert feedback["pscore"].tolist() == [0.5] * 6 and feedback["reward"].tolist() == [0] * 6
    assert feedback["context"].shape == (6, len(feedback["context_names"]))
    assert feedback["product_ids"][feedback["product"]].tolist() == ["p1"] * 6
    check_refusals(export_obp, tmp_path)


def test_a_log_without_propensities_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    with DatasetWriter(tmp_path / "e", dataset.meta) as writer:
        writer.write_products(dataset.catalogue.products)
        writer.write_elements(dataset.catalogue.elements)
    with pytest.raises(DataError, match="Found 0 without"):
        export_obp(open_dataset(tmp_path / "e"), tmp_path / "log.npz")


def test_a_wide_action_context_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obp, "MAX_ENTRIES", 11)
    done = export_obp(open_dataset(write_small(tmp_path / "d")), tmp_path / "log.npz")
    assert "action_context" not in np.load(tmp_path / "log.npz") and "left out" in done.notes[1]


def test_obp_values_policies_from_it(pairs: Dataset, tmp_path: Path) -> None:
    """The logging policy's value is the click rate of the log, and that of one element a hand-made weighted mean."""
    ope = pytest.importorskip("obp.ope")
    linear = pytest.importorskip("sklearn.linear_model")
    export_obp(pairs, tmp_path / "log.npz")
    feedback = dict(np.load(tmp_path / "log.npz", allow_pickle=False))
    keep = feedback["product"] == 0
    for name in ("context", "action", "position", "reward", "pscore", "product"):
        feedback[name] = feedback[name][keep]
    num, num_actions = int(keep.sum()), int(feedback["n_actions"])
    elements = feedback["action_context"][:, 0]
    logged = np.unique(feedback["action"])
    shares = np.zeros(num_actions)
    shares[logged] = feedback["pscore"][0]  # uniform over the product's combinations, all of which the log has
    assert shares.sum() == pytest.approx(1)
    first = np.zeros(num_actions)
    first[logged] = elements[logged] / elements[logged].sum()
    weighted, self_normalised = ope.InverseProbabilityWeighting(), ope.SelfNormalizedInverseProbabilityWeighting()
    evaluation = ope.OffPolicyEvaluation(feedback, [weighted, self_normalised, ope.DoublyRobust()])
    model = ope.RegressionModel(
        n_actions=num_actions,
        base_model=linear.LogisticRegression(max_iter=200),
        action_context=feedback["action_context"],
    )
    rates = model.fit_predict(feedback["context"], feedback["action"], feedback["reward"])
    rate = feedback["reward"].mean()
    for policy, by_hand in ((shares, rate), (first, feedback["reward"][elements[feedback["action"]] > 0].mean())):
        found = evaluation.estimate_policy_values(
            np.broadcast_to(policy[None, :, None], (num, num_actions, 1)), estimated_rewards_by_reg_model=rates
        )
        assert found["snipw"] == pytest.approx(by_hand)
        assert found["dr"] == pytest.approx(by_hand, abs=0.02)
    assert found.keys() == {"ipw", "snipw", "dr"}
