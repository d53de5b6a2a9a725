"""What becomes of stage 1 on one run: gradient variance, steps to a value, ways of drawing, exploration width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genco.benchmarks.suite import Progress, Row
from genco.models.generator import CombinationGenerator, GeneratorConfig
from genco.objectives.policy_gradient import credited_loss, total_reward_loss
from genco.policies.generative import GenerativePolicy, Request
from genco.policies.optimizer import load
from genco.rng import stream
from genco.runtime.open_products import open_products
from genco.simulator.reference import reference
from genco.simulator.truth import truth_of
from genco.simulator.world import World
from genco.storage.dataset import open_dataset
from genco.training.generator_loop import GeneratorTraining, GeneratorTrainingConfig, roll_out
from genco.training.proposal_tables import proposal_tables
from genco.training.uncertainty import uncertainty_penalty

REQUESTS, GROUP = 32, 16
CLOSE = 0.98
NUM_PROPOSALS = 16
NETWORKS = {"as built": True, "network alone": False}
Positions = NDArray[np.int32]


def gradient_rows(run: str, steps: int, repetitions: int, seed: int, progress: Progress) -> list[Row]:
    """Variance of the gradient with credit over without, before and after `steps` steps, and how many steps either
    takes to 98% of the larger final mean reward; for the generator as built and for its network alone."""
    rows: list[Row] = []
    for number, (name, credit) in enumerate(NETWORKS.items()):
        curves = {}
        for by_credit in (True, False):
            training = _training(run, GeneratorConfig(credit=credit), steps, by_credit, seed)
            before = _variances(training, repetitions, seed) if by_credit else None
            curves[by_credit] = np.array([values["reward"] for values in training.run()])
            if before is not None:
                for moment, found in (("before", before), ("after", _variances(training, repetitions, seed))):
                    rows.append(
                        {"variant": name, "measure": f"variance ratio {moment}", "value": found[True] / found[False]}
                    )
        smooth = {key: np.convolve(curve, np.full(5, 0.2), "valid") for key, curve in curves.items()}
        goal = CLOSE * max(curve[-1] for curve in smooth.values())
        for by_credit, curve in smooth.items():
            reached = np.flatnonzero(curve >= goal)
            measure = f"steps to {CLOSE:.0%}, {'credit' if by_credit else 'whole reward'}"
            rows.append({"variant": name, "measure": measure, "value": float(reached[0]) if len(reached) else None})
        progress("evaluate", {"request": number + 1, "of": len(NETWORKS)})
    return rows


def _training(run: str, config: GeneratorConfig, steps: int, by_credit: bool, seed: int) -> GeneratorTraining:
    """Stage 1 afresh on the run's reward model, without warm start."""
    optimizer = load(run)
    bound = optimizer.policy.bound
    contexts = optimizer.run.load_arrays("contexts")[0]
    spaces, _ = open_products(bound.catalogue)
    tables, products = proposal_tables(bound, spaces, contexts["contexts"], contexts["share"], config, seed)
    torch.manual_seed(seed)
    generator = CombinationGenerator(tables.num_slots, tables.features.shape[-1], contexts["contexts"].shape[1], config)
    training = GeneratorTrainingConfig(steps=steps, credit=by_credit, kl_weight=0.0)
    penalty = uncertainty_penalty(bound, tables, products, training.uncertainty_penalty)
    return GeneratorTraining(
        generator,
        tables,
        contexts["contexts"],
        contexts["share"],
        np.arange(len(products)),
        training,
        seed,
        end_reward=penalty,
    )


def _variances(training: GeneratorTraining, repetitions: int, seed: int) -> dict[bool, float]:
    """Sum over parameters of the variance of the gradient at fixed requests, with credit (True) and without."""
    rng = stream(seed, "gradient variance")
    product = torch.from_numpy(rng.choice(training.products, REQUESTS))
    context = training.contexts[torch.from_numpy(rng.choice(len(training.contexts), REQUESTS))]
    found: dict[bool, list[Tensor]] = {True: [], False: []}
    for repetition in range(repetitions):
        for by_credit, gradients in found.items():
            draws = roll_out(
                training.generator,
                training.tables,
                product,
                context,
                GROUP,
                torch.Generator().manual_seed(repetition),
            )
            assert training.end_reward is not None
            end = training.end_reward(product, context, draws.choices)
            if by_credit:
                loss = credited_loss(draws.slot_values, draws.lookaheads, draws.log_probs, end)
            else:
                loss = total_reward_loss(draws.credit + end, draws.log_probs, draws.regulariser)
            training.generator.zero_grad()
            torch.autograd.backward(loss)
            gradients.append(
                torch.cat([p.grad.flatten() for p in training.generator.parameters() if p.grad is not None])
            )
    return {by_credit: float(torch.stack(gradients).var(0).sum()) for by_credit, gradients in found.items()}


def request_rows(
    run: str, data: str, requests: int, widths: list[float], seed: int, progress: Progress
) -> dict[str, list[Row]]:
    """Two studies over the same requests, a row each and request: 16 draws with and without replacement, and the
    expected value of a decision at several exploration widths."""
    optimizer, truth = load(run), truth_of(open_dataset(data))
    assert isinstance(truth, World)
    policy, model = optimizer.policy, optimizer.model
    served = {
        width: GenerativePolicy(policy.bound, policy.network, replace(policy.decision, width=width), policy.version)
        for width in widths
    }
    assert model is policy.bound.model
    rng = stream(seed, "ablation requests")
    drawing: list[Row] = []
    exploring: list[Row] = []
    for number in range(requests):
        product = int(rng.integers(policy.bound.catalogue.num_products))
        segment = int(rng.integers(len(truth.context_values)))
        context = optimizer.context({str(truth.context_name): truth.context_values[segment]})
        request = policy.request(product, context)
        scale = reference(truth, product, segment, request.space.candidates)
        chance = _chance(truth, policy, request, product, segment)
        common = {"request": number, "uniform": scale.uniform, "oracle": scale.oracle}
        draws = stream(seed, "ablation draws", number)
        for name, positions in {
            "without replacement": request.policy.propose(NUM_PROPOSALS, draws)[0],
            "independent draws": request.policy.sample(draws, NUM_PROPOSALS)[0],
        }.items():
            best = positions[int(policy.scores(request, positions).argmax())]
            distinct = len(np.unique(positions, axis=0))
            drawing.append(common | {"variant": name, "distinct": distinct, "value": float(chance(best[None])[0])})
        legal = request.space.enumerate(200_000)
        for width, explorer in served.items():
            value = float(explorer.decide(request).propensity(legal) @ chance(legal))
            exploring.append(common | {"variant": f"width {width:g}", "value": value})
        progress("evaluate", {"request": number + 1, "of": requests})
    return {"draws": drawing, "width": exploring}


def _chance(
    truth: World, policy: GenerativePolicy, request: Request, product: int, segment: int
) -> Callable[[Positions], NDArray[np.float64]]:
    def chance(positions: Positions) -> NDArray[np.float64]:
        products, segments = np.repeat(np.array([[product], [segment]], dtype=np.int32), len(positions), axis=1)
        return truth.click_probability(products, segments, policy.rows(request.space, positions))

    return chance
