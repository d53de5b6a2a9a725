"""How the report says things: numbers, elements, pairs and measures in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from genco.evaluation.element_table import ElementView
from genco.evaluation.interactions import PairEffect

REWARD_WORDS = {
    "num_clicks": ("clicks", "click rate", "click probability"),
    "num_conversions": ("conversions", "conversion rate", "conversion probability"),
}
WORKS = 0.02
# Marks that turn the direction of the text around them, and control characters that no browser shows.
_UNSEEN = {*range(32), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {9, 10, 13}
_CLEAN = dict.fromkeys(_UNSEEN)

VALUE_WORDS = {
    "uniform": ("Uniform play", "a random legal card"),
    "independent_components": ("Each slot for itself", "the element of best smoothed click rate in every slot"),
    "random_start_refined": (
        "Random starts, refined",
        "16 random cards, each improved slot by slot, the best by score",
    ),
    "generator_top1": ("Generator alone", "its most likely card"),
    "refined": ("The policy's choice", "16 proposals of the generator, improved slot by slot, the best by score"),
    "reward_model_argmax": ("Reward model alone", "the best card a wide search finds by its score"),
    "content_ceiling": ("Ceiling of content", "the best card for one who knows all that content can tell"),
    "oracle": ("Best card", "by the truth"),
}
RANKING_WORDS = {
    "ranking.auc": ("AUC", "chance that a clicked impression scores above an unclicked one; 0.5 = guessing"),
    "ranking.grouped_auc": ("AUC within product", "the same inside each product: does it rank the cards themselves?"),
    "ranking.significant_pairs": (
        "Pairs ordered right",
        "of pairs of cards of one product whose click rates differ significantly (z of 1.96 or more)",
    ),
    "ranking.num_significant_pairs": ("Such pairs", "how many there were"),
    "ranking.pick_lift": ("Lift of the pick", "click rate of each product's best-scored logged card, over the average"),
    "ranking.log_loss": ("Log loss", "mean binomial cross-entropy per impression, in nats; smaller is better"),
    "calibration.ece": (
        "Calibration error",
        "mean distance of predicted and observed rate over ten bins of equal mass",
    ),
    "attribution.spearman": ("Attribution against truth", "rank correlation within slot with the true Shapley values"),
    "attribution.spearman_ceiling": ("… at best", "the same for one who knows all that content can tell"),
    "attribution.coverage_95": ("Coverage of intervals", "share of true values inside the 95% intervals"),
    "attribution.num_triples": ("Attributions compared", "slots of random legal cards"),
}


def clean(content: str) -> str:
    """Without control characters and marks that reorder text."""
    return content.translate(_CLEAN)


def rate(value: float | None) -> str:
    """A rate as a percentage of two decimals, three below 0.1%."""
    if value is None or not math.isfinite(value):
        return "–"
    percent = 100 * value
    return f"{percent:.3f}%" if 0 < abs(percent) < 0.1 else f"{percent:.2f}%"


def signed(value: float | None, decimals: int = 2) -> str:
    """A number with its sign, minus written as minus; nothing has no sign."""
    if value is None or not math.isfinite(value):
        return "–"
    rounded = f"{abs(value):.{decimals}f}"
    if float(rounded) == 0:
        return rounded
    return ("+" if value > 0 else "−") + rounded


def number(value: float | None, decimals: int = 3) -> str:
    """A number: whole ones with separators, others to `decimals`."""
    if value is None or not math.isfinite(value):
        return "–"
    return whole(value) if value == int(value) and abs(value) >= 1 else f"{value:.{decimals}f}".replace("-", "−")


def fixed(value: float | None, decimals: int = 3) -> str:
    """A number of so many decimals."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{decimals}f}".replace("-", "−")


def whole(value: float) -> str:
    """A count with separators; two decimals where it is not whole."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def seconds(value: float) -> str:
    """A duration in seconds, in minutes from two minutes on."""
    return f"{value:.0f} seconds" if value < 120 else f"{value / 60:.0f} minutes"


def change(value: float | None) -> str:
    """A relative change as a signed percentage."""
    return "–" if value is None or not math.isfinite(value) else f"{signed(100 * value, 0)}%"


def element_name(element: ElementView) -> str:
    """What a reader calls the element: its text in quotes, else what it is and its id."""
    if element.element_id is None:
        return f"no {element.component}"
    if element.text:
        return f"“{clean(element.text)}”"
    kind = "picture" if element.image_uri else element.component
    return f"{kind} {clean(element.element_id)}"


def pair_sentence(pair: PairEffect) -> str:
    """What the pair means, in words."""
    sentence = _sentence(pair, element_name(pair.first), element_name(pair.second))
    return sentence[0].upper() + sentence[1:]


def _sentence(pair: PairEffect, first: str, second: str) -> str:
    before, after, together = ("before", "after", "in this order") if pair.in_order else ("with", "with", "together")
    if pair.effect > 0:
        if pair.first_own < -WORKS and pair.second_own < -WORKS:
            return f"{first} and {second}: weak alone, better {together}."
        return f"{first} works better {before} {second}."
    if pair.first_own > WORKS and pair.second_own > WORKS:
        return f"{first} works and {second} works, but not {together}."
    if pair.first_own > WORKS:
        return f"{first} works, but not {before} {second}."
    if pair.second_own > WORKS:
        return f"{second} works, but not {after} {first}."
    return f"{first} and {second} do not go together{' in this order' if pair.in_order else ''}."


def certainty(pair: PairEffect) -> str:
    """Whether the interval leaves the sign open."""
    return "the interval contains 0" if pair.low <= 0 <= pair.high else ""


def rounded_to_sum(parts: Sequence[float], total: float, decimals: int = 3) -> list[float]:
    """Parts rounded so that they add up to the rounded total (largest remainders first)."""
    unit = 10**-decimals
    down = [math.floor(part / unit) for part in parts]
    missing = round(total / unit) - sum(down)
    by_remainder = sorted(range(len(parts)), key=lambda i: down[i] - parts[i] / unit)
    for i in by_remainder[: max(missing, 0)]:
        down[i] += 1
    return [round(count * unit, decimals) for count in down]
