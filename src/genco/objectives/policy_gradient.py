"""The policy gradient with multi-instance credit: exact where it can be, sampled where it must be.

Charge every own term to its slot, every pair term to the later of its two slots, residual and uncertainty penalty to
the end. Slot c then has a value that depends on its prefix only, V_c = E_pi[credit_c | y_<c] + tau * entropy_c - beta
* KL_c, which is differentiated exactly over all alternatives; what the choice does to later slots is sampled. There
the reward model's lookahead L_c(e), an estimate of what e is worth to the slots still open, serves as a control
variate: its expectation over the alternatives is exact, and what was sampled of it is taken off again, in this slot
and in all later ones (trajectory-wise control variates; Cheng, Yan & Boots 2020):

    gradient = sum_c  d (V_c + E_pi[L_c | y_<c])  +  d log pi(y_c | y_<c) * (G_c - L_c(y_c) - baseline)
    G_c      = sum_{c' > c} (V_c' + E_pi[L_c' | y_<c'] - L_c'(y_c')) + end,     L held fixed

Replacing later credits by their expectation V_c' given their own prefix keeps the expectation (that prefix contains
y_c), and every L_c' has mean zero given its prefix: the estimator is unbiased whatever L is. The baseline is the mean
of the same quantity over the other draws of the group (RLOO; Kool et al. 2019b, Ahmadian et al. 2024): independent
draws. See tests for the check by enumeration.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def leave_one_out(values: Float[Tensor, "request group"]) -> Float[Tensor, "request group"]:
    """`values` minus the mean of the other draws of the group; zero for a group of one."""
    group = values.shape[1]
    if group < 2:
        return torch.zeros_like(values)
    return (values - values.mean(1, keepdim=True)) * (group / (group - 1))


def credited_loss(
    slot_values: list[Float[Tensor, "request group"]],
    lookaheads: list[Float[Tensor, "request group"]],
    log_probs: list[Float[Tensor, "request group"]],
    end_reward: Float[Tensor, "request group"] | None = None,
) -> Float[Tensor, ""]:
    """Scalar to minimise. slot_values: V_c + E_pi[L_c], differentiable · lookaheads: L_c of the drawn elements ·
    log_probs: log pi(y_c | y_<c) of the drawn elements."""
    later = torch.zeros_like(log_probs[0]) if end_reward is None else end_reward.detach()
    total = torch.zeros(())
    for value, ahead, log_prob in zip(*map(reversed, (slot_values, lookaheads, log_probs)), strict=True):
        later = later - ahead.detach()
        total = total + (value + log_prob * leave_one_out(later)).mean()
        later = later + value.detach()
    return -total


def total_reward_loss(
    rewards: Float[Tensor, "request group"],
    log_probs: list[Float[Tensor, "request group"]],
    regulariser: Float[Tensor, "request group"] | None = None,
) -> Float[Tensor, ""]:
    """The ablation without credit: RLOO on the whole reward. `regulariser`: tau * entropy - beta * KL along the draw,
    already differentiable, its value also counted as reward."""
    total = rewards.detach() if regulariser is None else rewards.detach() + regulariser.detach()
    log_prob = torch.stack(log_probs).sum(0)
    direct = 0.0 if regulariser is None else regulariser.mean()
    return -((log_prob * leave_one_out(total)).mean() + direct)
