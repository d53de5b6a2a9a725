"""The policy gradient by enumeration: exact in expectation, below the plain one in variance; tempting forms are biased.

Every combination of three slots of four is enumerated, and every ordered pair of draws of a group of two, in double
precision. A loss is linear in what its parts are differentiated by, so one backward pass gives every gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model, small_tables
from torch import Tensor

from genco.data.catalogue import Slot
from genco.objectives.policy_gradient import credited_loss, leave_one_out, total_reward_loss
from genco.training.generator_loop import ProposalTables, roll_out

TEMPERATURE = 0.5
EVERY = torch.cartesian_prod(*[torch.arange(4)] * 3)


@dataclass(frozen=True)
class Game:
    """A policy over three slots of four with everything a loss asks of it, at every combination.

    parameters: what is differentiated · log_probs, values: [slot, combination], differentiable · lookaheads, credit:
    [slot, combination] · entropy: [combination] sum of entropies along the draw, differentiable · end: [combination].
    """

    parameters: list[Tensor]
    log_probs: Tensor
    values: Tensor
    lookaheads: Tensor
    credit: Tensor
    entropy: Tensor
    end: Tensor

    @property
    def probability(self) -> Tensor:
        return self.log_probs.sum(0).exp()

    def exact_gradient(self) -> Tensor:
        """Gradient of E[R] + tau H, the expectation written out."""
        reward = self.credit.sum(0) + self.end
        objective = (self.probability * (reward - TEMPERATURE * self.log_probs.sum(0))).sum()
        return _flat(
            torch.autograd.grad(objective, self.parameters, retain_graph=True, allow_unused=True), self.parameters
        )

    def jacobian(self, outputs: Tensor) -> Tensor:
        """[output..., parameter]."""
        rows = [
            _flat(torch.autograd.grad(value, self.parameters, retain_graph=True, allow_unused=True), self.parameters)
            for value in outputs.flatten()
        ]
        return torch.stack(rows).view(*outputs.shape, -1)


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[Tensor]) -> Tensor:
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(gradients, parameters, strict=True)]
    )


def table_game(seed: int = 0, noise: float = 0.0) -> Game:
    """A free table of logits for every prefix; own and pair rewards drawn from the seed.

    The lookahead is the best completion, off by so much `noise` for every prefix and element.
    """
    rng = torch.Generator().manual_seed(seed)
    theta = [torch.randn(*[4] * (c + 1), generator=rng, dtype=torch.float64).requires_grad_() for c in range(3)]
    own = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    pair = {(i, j): torch.randn(4, 4, generator=rng, dtype=torch.float64) for i in range(3) for j in range(i + 1, 3)}
    a, b, _ = EVERY.T
    policies = [theta[0].log_softmax(-1).expand(64, 4), theta[1].log_softmax(-1)[a], theta[2].log_softmax(-1)[a, b]]
    credits = [own[0].expand(64, 4), own[1] + pair[0, 1][a], own[2] + pair[0, 2][a] + pair[1, 2][b]]
    entropies = torch.stack([-(p.exp() * p).sum(-1) for p in policies])
    last = (own[2] + pair[0, 2][:, None] + pair[1, 2][None]).amax(-1)
    ahead = [(own[1] + pair[0, 1] + last).amax(-1).expand(64, 4), last[a], torch.zeros(64, 4, dtype=torch.float64)]
    noisy = [noise * torch.randn(*[4] * (c + 1), generator=rng, dtype=torch.float64) for c in range(3)]
    ahead = [x + y for x, y in zip(ahead, (noisy[0].expand(64, 4), noisy[1][a], noisy[2][a, b]), strict=True)]
    expected = torch.stack([(p.exp() * (r + x)).sum(-1) for p, r, x in zip(policies, credits, ahead, strict=True)])

    def drawn(parts: list[Tensor]) -> Tensor:
        return torch.stack([part.gather(1, EVERY[:, [i]])[:, 0] for i, part in enumerate(parts)])

    end = 0.5 * torch.randn(64, generator=rng, dtype=torch.float64)
    return Game(
        theta,
        drawn(policies),
        expected + TEMPERATURE * entropies,
        drawn(ahead),
        drawn(credits),
        TEMPERATURE * entropies.sum(0),
        end,
    )


def network_game(seed: int = 0) -> tuple[Game, Callable[..., object]]:
    """The real generator and roll-out, in double precision, on a title and two notes."""
    bound = small_model(
        seed, small_catalogue(1, (Slot("title", "title"), Slot("note_1", "note"), Slot("note_2", "note")))
    )
    net, _ = small_generator(bound, seed, temperature=TEMPERATURE)
    net.double()
    _, tables, _ = small_tables(bound, net)
    tables = doubled(tables)
    context = torch.from_numpy(small_context(seed)).double()[None]

    def follow(**arguments: object):  # type: ignore[no-untyped-def]
        given = [EVERY[:, c][None] for c in range(3)]
        return roll_out(net, tables, torch.tensor([0]), context, 64, torch.Generator(), given=given, **arguments)  # type: ignore[arg-type]

    draws = follow()
    credit = torch.zeros(3, 64, dtype=torch.float64)
    credit[0] = draws.credit[0]
    game = Game(
        list(net.parameters()),
        torch.stack(draws.log_probs)[:, 0],
        torch.stack(draws.slot_values)[:, 0],
        torch.stack(draws.lookaheads)[:, 0],
        credit,
        draws.regulariser[0],
        0.3 * torch.randn(64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64),
    )
    return game, follow


def doubled(tables: ProposalTables) -> ProposalTables:
    return replace(
        tables,
        features=tables.features.double(),
        own=tables.own.double(),
        latents=tables.latents.double(),
        context_query=tuple(q.double() for q in tables.context_query),
        bilinear={pair: matrix.double() for pair, matrix in tables.bilinear.items()},
    )


FIRST, SECOND = (part.flatten() for part in torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij"))
PAIRS = torch.stack([FIRST, SECOND], dim=1)


def moments(game: Game, loss: Callable[[list[Tensor], list[Tensor], Tensor, Tensor], Tensor]) -> tuple[Tensor, float]:
    """Mean and total variance of the descent direction over two independent draws of the policy."""
    leaves = [part.detach()[..., PAIRS].requires_grad_() for part in (game.values, game.log_probs, game.entropy)]
    total = loss(list(leaves[0]), list(leaves[1]), leaves[2], (game.credit.sum(0) + game.end).detach()[PAIRS])
    found = torch.autograd.grad(total * len(PAIRS), leaves, allow_unused=True)
    gradient = torch.zeros(len(PAIRS), sum(p.numel() for p in game.parameters), dtype=torch.float64)
    for coefficient, outputs in zip(found, (game.values, game.log_probs, game.entropy), strict=True):
        if coefficient is not None:
            by_slot = coefficient.reshape(-1, len(PAIRS), 2)
            jacobian = game.jacobian(outputs).reshape(len(by_slot), 64, -1)
            for weights, rows in zip(by_slot, jacobian, strict=True):
                gradient -= weights[:, :1] * rows[FIRST] + weights[:, 1:] * rows[SECOND]
    probability = game.probability.detach()
    weight = (probability[FIRST] * probability[SECOND])[:, None]
    mean = (weight * gradient).sum(0)
    return mean, float((weight * (gradient - mean) ** 2).sum())


def with_credit(game: Game) -> Callable[[list[Tensor], list[Tensor], Tensor, Tensor], Tensor]:
    lookaheads = list(game.lookaheads[..., PAIRS])
    return lambda values, log_probs, entropy, reward: credited_loss(values, lookaheads, log_probs, game.end[PAIRS])


def without_credit(values: list[Tensor], log_probs: list[Tensor], entropy: Tensor, reward: Tensor) -> Tensor:
    return total_reward_loss(reward, log_probs, entropy)


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("seed", [0, 1])
def test_expected_gradient_is_exact_and_varies_less(seed: int) -> None:
    game = table_game(seed)
    exact = game.exact_gradient()
    credited, variance = moments(game, with_credit(game))
    plain, plain_variance = moments(game, without_credit)
    assert relative_error(credited, exact) < 1e-12
    assert relative_error(plain, exact) < 1e-12
    assert variance < 0.6 * plain_variance, f"ratio {variance / plain_variance:.2f}"


def test_expected_gradient_is_exact_whatever_the_lookahead() -> None:
    game = table_game(noise=3.0)
    credited, _ = moments(game, with_credit(game))
    assert relative_error(credited, game.exact_gradient()) < 1e-12


def test_expected_gradient_of_the_network_is_exact_and_varies_less() -> None:
    game, _ = network_game()
    exact = game.exact_gradient()
    credited, variance = moments(game, with_credit(game))
    plain, plain_variance = moments(game, without_credit)
    assert relative_error(credited, exact) < 1e-9
    assert relative_error(plain, exact) < 1e-9
    assert variance < plain_variance, f"ratio {variance / plain_variance:.2f}"


def test_divergence_from_a_reference_is_exact_too() -> None:
    """With beta KL(pi || pi_ref) the objective loses beta sum pi log(pi / pi_ref)."""
    game, follow = network_game(1)
    other, _ = small_generator(
        small_model(1, small_catalogue(1, (Slot("title", "title"), Slot("note_1", "note"), Slot("note_2", "note")))),
        5,
        temperature=TEMPERATURE,
    )
    draws = follow(reference=other.double(), kl_weight=0.3)
    values = torch.stack(draws.slot_values)[:, 0]  # type: ignore[attr-defined]
    log_probs = torch.stack(draws.log_probs)[:, 0]  # type: ignore[attr-defined]
    regularised = replace(game, values=values, log_probs=log_probs)
    found, _ = moments(regularised, with_credit(game))
    net = game.parameters
    _, reference_follow = reference_log_probs(other)
    log_ratio = log_probs.sum(0) - reference_follow
    reward = game.credit.sum(0) + game.end
    objective = (regularised.probability * (reward - TEMPERATURE * log_probs.sum(0) - 0.3 * log_ratio)).sum()
    exact = _flat(torch.autograd.grad(objective, net, retain_graph=True, allow_unused=True), net)
    assert relative_error(found, exact) < 1e-9


def reference_log_probs(other: torch.nn.Module) -> tuple[None, Tensor]:
    bound = small_model(1, small_catalogue(1, (Slot("title", "title"), Slot("note_1", "note"), Slot("note_2", "note"))))
    _, tables, _ = small_tables(bound, other)  # type: ignore[arg-type]
    given = [EVERY[:, c][None] for c in range(3)]
    context = torch.from_numpy(small_context(1)).double()[None]
    with torch.no_grad():
        draws = roll_out(other, doubled(tables), torch.tensor([0]), context, 64, torch.Generator(), given=given)  # type: ignore[arg-type]
    return None, torch.stack(draws.log_probs).sum(0)[0]


def test_half_pairs_and_counterfactual_baselines_are_biased() -> None:
    """Reward-to-go of symmetric half-pair attributions, and a baseline that holds the other slots fixed."""
    game = table_game()
    game = replace(game, end=torch.zeros(64, dtype=torch.float64))
    reward = game.credit.sum(0).detach()
    probability = game.probability.detach()
    exact = _flat(
        torch.autograd.grad((game.probability * reward).sum(), game.parameters, retain_graph=True), game.parameters
    )
    scores = game.jacobian(game.log_probs)

    def expected(weights: Tensor) -> Tensor:
        return (probability * weights)[:, :, None].mul(scores).sum((0, 1))

    to_go = game.credit.detach().flip(0).cumsum(0).flip(0)
    assert relative_error(expected(to_go), exact) < 1e-12
    assert relative_error(expected(half_pairs(game).flip(0).cumsum(0).flip(0)), exact) > 0.01
    assert relative_error(expected(reward - counterfactual(game, reward)), exact) > 0.01


def half_pairs(game: Game) -> Tensor:
    """Own terms and half of every pair to either slot [slot, combination], from the credits' cross-differences."""
    grid = game.credit.detach().view(3, 4, 4, 4)
    pair = {(0, 1): grid[1] - grid[1].mean(0, keepdim=True), (0, 2): grid[2] - grid[2].mean(0, keepdim=True)}
    rest = grid[2].mean(0, keepdim=True).expand(4, 4, 4)
    pair[1, 2] = rest - rest.mean(1, keepdim=True)
    shares = grid.clone()
    for (i, j), table in pair.items():
        shares[i] += table / 2
        shares[j] -= table / 2
    assert torch.allclose(shares.sum(0), grid.sum(0))
    return shares.view(3, 64)


def counterfactual(game: Game, reward: Tensor) -> Tensor:
    """E over alternatives of slot c with all other slots held [slot, combination]."""
    policies = game.log_probs.detach().exp().view(3, 4, 4, 4)
    grid = reward.view(4, 4, 4)
    return torch.stack([(policies[c] * grid).sum(c, keepdim=True).expand(4, 4, 4).reshape(64) for c in range(3)])


def test_leave_one_out_by_hand() -> None:
    """(1, 2, 6) against the means of the others (4, 3.5, 1.5)."""
    assert leave_one_out(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[-3.0, -1.5, 4.5]]
    assert leave_one_out(torch.tensor([[5.0]])).tolist() == [[0.0]]


def test_a_group_of_one_keeps_the_exact_part() -> None:
    values = [torch.tensor([[1.0]], requires_grad=True) for _ in range(2)]
    log_probs = [torch.tensor([[-1.0]], requires_grad=True) for _ in range(2)]
    loss = credited_loss(values, [torch.zeros(1, 1)] * 2, log_probs)
    loss.backward()
    assert loss.item() == -2.0
    assert [float(v.grad) for v in values] == [-1.0, -1.0]
    assert all(p.grad is None or float(p.grad) == 0 for p in log_probs)


def test_credited_loss_by_hand() -> None:
    """Two draws, two slots: slot 0 is charged with what its choice did beyond what its lookahead said."""
    values = [torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 1.0]])]
    lookaheads = [torch.tensor([[7.0, 5.0]]), torch.zeros(1, 2)]
    log_probs = [torch.zeros(1, 2, requires_grad=True) for _ in range(2)]
    credited_loss(values, lookaheads, log_probs, torch.tensor([[10.0, 4.0]])).backward()
    # slot 1: end 10 against 4, so -(10 - 4) / 2 and +(10 - 4) / 2; slot 0: 13 - 7 against 5 - 5
    assert log_probs[1].grad is not None and log_probs[1].grad.tolist() == [[-3.0, 3.0]]
    assert log_probs[0].grad is not None and log_probs[0].grad.tolist() == [[-3.0, 3.0]]


def test_optimum_is_the_softmax_of_the_reward() -> None:
    """Following the exact gradient leads to pi ~ exp(R / tau): entropy is part of the objective."""
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([0.1, 0.4, -0.3, 0.0], dtype=torch.float64)
    optimiser = torch.optim.LBFGS([theta], max_iter=100, tolerance_grad=1e-12)

    def step() -> Tensor:
        optimiser.zero_grad()
        policy = theta.log_softmax(-1)
        value = (policy.exp() * reward).sum() - TEMPERATURE * (policy.exp() * policy).sum()
        loss = credited_loss([value.view(1, 1)], [torch.zeros(1, 1)], [policy[:1][None]])
        loss.backward()
        return loss

    optimiser.step(step)
    np.testing.assert_allclose(theta.softmax(-1).detach(), torch.softmax(reward / TEMPERATURE, 0), atol=1e-6)
