"""`genco generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from genco.cli.options import AsJson, Run, Seed, pairs
from genco.cli.output import number, show

if TYPE_CHECKING:
    from genco.policies.optimizer import Proposal

SHOWN_TEXT = 60
EVENTS = {"num_clicks": "click", "num_conversions": "conversion"}


def generate(
    run: Run,
    product: Annotated[str, typer.Option(help="Product to show.", metavar="ID")],
    context: Annotated[
        list[str] | None,
        typer.Option(help="Context column and value; one not given counts as average.", metavar="KEY=VALUE"),
    ] = None,
    pin: Annotated[
        list[str] | None, typer.Option(help="Slot that must show this element.", metavar="SLOT=ELEMENT")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Element not to show.", metavar="ELEMENT")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of combinations.")] = 10,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Rank combinations for one request: probability of a click or conversion, propensity, credit of every element."""
    values, pinned = pairs(context or [], "--context"), pairs(pin or [], "--pin")
    from genco import api

    optimizer = api.load(run)
    proposals = optimizer.generate(product, values, k, pinned, exclude or (), seed)
    shown = {
        "product_id": product,
        "context": values,
        "rate_of": optimizer.meta.reward,
        "proposals": [proposal.to_dict() for proposal in proposals],
    }
    event, blocks = EVENTS[optimizer.meta.reward], []
    if optimizer.value is not None:
        value, (low, high) = optimizer.value.of(product), optimizer.value.interval(product) or (None, None)
        shown["event_value"] = {"value": value, "low": low, "high": high}
        blocks = [f"One {event} is worth {value:.4g}" + ("" if low is None else f" [{low:.4g}, {high:.4g}]") + ".\n"]
    blocks += [_block(rank, proposal, event) for rank, proposal in enumerate(proposals, 1)]
    show(shown, "\n".join(blocks), json)


def _block(rank: int, proposal: Proposal, event: str) -> str:
    """One combination: its figures, then a line a slot. Credit in logits, with its 95% interval."""
    revenue = proposal.expected_revenue
    lines = [
        f"{rank}. {event} probability {proposal.click_probability:.4f}   "
        + ("" if revenue is None else f"expected revenue {revenue:.4g}   ")
        + f"propensity {number(proposal.propensity)}   uplift {proposal.uplift:+.3f}"
    ]
    slot_width = max(len(credit.slot) for credit in proposal.attribution)
    id_width = max(len(credit.element_id or "(empty)") for credit in proposal.attribution)
    for credit in proposal.attribution:
        text = " ".join((credit.text or "").split())
        text = text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}…"
        lines.append(
            f"   {credit.slot:<{slot_width}}  {credit.element_id or '(empty)':<{id_width}}  {credit.total:+.3f} "
            f"[{credit.low:+.3f}, {credit.high:+.3f}]  {text}".rstrip()
        )
    return "\n".join(lines) + "\n"
