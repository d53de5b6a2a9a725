"""GET /v1/reports/elements, /combinations, /interactions and /policy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from genco.errors import DataError, RuleError, UnknownIdError
from genco.evaluation.element_labels import LABEL_RULES
from genco.evaluation.element_table import ElementRow
from genco.evaluation.report_data import average_context
from genco.serving.errors import ApiError
from genco.serving.report_elements import element_credits
from genco.serving.report_interactions import ShownPair, shown_pairs
from genco.serving.report_schemas import (
    CombinationOut,
    CombinationsAnswer,
    ElementOut,
    ElementsAnswer,
    InteractionsAnswer,
    PairOut,
    PolicyAnswer,
)
from genco.serving.reports import ShownCombination, ShownElement, shown_elements
from genco.serving.routes.body import answer, described, service_of
from genco.serving.routes.policy_report import policy_report
from genco.serving.routes.query import json_object, number, parameter
from genco.serving.served_model import ServedModel
from genco.serving.shown_tally import ShownLog, ShownTally

router = APIRouter(tags=["reports"])
LISTED, MOST_LISTED = 1_000, 100_000
PAIRS, MOST_PAIRS = 20, 1_000
COUNTED = ("product_id", "impressions", "clicks", "conversions", "revenue", "reward")
LEARNED = ("contribution", "ci_low", "ci_high", "label")
POLICY_ROWS, MOST_POLICY_ROWS = 5_000, 50_000
_PRODUCT = parameter("product_id", "string")
_LIMIT = parameter("limit", "integer", minimum=1, maximum=MOST_LISTED)


@router.get(
    "/v1/reports/combinations", response_model=CombinationsAnswer, **described(None, 422, query=[_PRODUCT, _LIMIT])
)
async def combinations(request: Request) -> Response:
    """Combinations shown so far, of all products or of one."""
    asked = await _asked(request, LISTED, MOST_LISTED)
    names = asked.model.slot_names

    def build() -> CombinationsAnswer:
        rows = asked.rows()
        found = [
            CombinationOut(
                combination=dict(zip(names, row.combination, strict=False)),
                **{name: getattr(row, name) for name in COUNTED},
            )
            for row in rows[: asked.limit]
        ]
        return CombinationsAnswer(**asked.totals(rows), num_combinations=len(rows), combinations=found)

    return answer(await asyncio.to_thread(build))


@router.get("/v1/reports/elements", response_model=ElementsAnswer, **described(None, 422, query=[_PRODUCT, _LIMIT]))
async def elements(request: Request) -> Response:
    """Elements shown so far, by slot, and what each adds. Impressions of each slot add up to the total."""
    asked = await _asked(request, LISTED, MOST_LISTED)
    optimizer = asked.model.optimizer

    def build() -> ElementsAnswer:
        rows = asked.rows()
        counted = shown_elements(rows, optimizer.catalogue)
        listed = counted[: asked.limit]
        credit = element_credits(optimizer, rows, {row.element_id for row in listed if row.element_id is not None})
        found = [_element(row, credit.get(row.element_id or "")) for row in listed]
        return ElementsAnswer(**asked.totals(rows), num_elements=len(counted), elements=found, label_rules=LABEL_RULES)

    return answer(await asyncio.to_thread(build))


@router.get(
    "/v1/reports/interactions",
    response_model=InteractionsAnswer,
    **described(
        None,
        404,
        422,
        query=[
            parameter("product_id", "string", required=True),
            parameter("context", "string"),
            parameter("limit", "integer", minimum=1, maximum=MOST_PAIRS),
        ],
    ),
)
async def interactions(request: Request) -> Response:
    """Pairs of elements of a product that help each other, and that clash. context: a JSON object; without it the
    average of the log the model was trained on."""
    asked, given = await _asked(request, PAIRS, MOST_PAIRS), json_object(request.query_params, "context")
    model, product_id = asked.model, asked.product_id or ""
    product = model.catalogue.product_rows.get(product_id)
    if product is None:
        raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")

    def build() -> list[ShownPair]:
        try:
            context = average_context(model.optimizer) if given is None else model.optimizer.context(given)
            return shown_pairs(model.optimizer, product, context, asked.rows(), asked.limit)
        except (UnknownIdError, DataError) as error:
            raise ApiError(422, "bad_context", str(error)) from error
        except RuleError as error:
            raise ApiError(422, "no_legal_combination", str(error)) from error

    pairs = await asyncio.to_thread(build)
    return answer(
        InteractionsAnswer(
            product_id=product_id,
            model_version=model.version,
            helps=[_pair(pair) for pair in pairs if pair.effect.effect > 0],
            clashes=[_pair(pair) for pair in pairs if pair.effect.effect < 0],
        )
    )


@router.get(
    "/v1/reports/policy",
    response_model=PolicyAnswer,
    **described(
        None,
        404,
        422,
        query=[parameter("version", "string"), parameter("rows", "integer", minimum=1, maximum=MOST_POLICY_ROWS)],
    ),
)
async def policy(request: Request) -> Response:
    """What the versions in service and the newest runs, or one version, would have earned on the last decisions."""
    service = service_of(request)
    await service.gate.require(request, "read")
    asked = request.query_params
    num = number(asked, "rows", MOST_POLICY_ROWS) or POLICY_ROWS
    return answer(await asyncio.to_thread(policy_report, service, asked.get("version"), num))


@dataclass(frozen=True)
class _Asked:
    """What a report on what was shown is made of. product_id: None = of all."""

    model: ServedModel
    log: ShownLog
    product_id: str | None
    limit: int

    def rows(self) -> list[ShownCombination]:
        return self.log.of(self.product_id)

    def totals(self, rows: list[ShownCombination]) -> dict[str, int]:
        impressions, clicks = sum(row.impressions for row in rows), sum(row.clicks for row in rows)
        return {"until": self.log.until, "impressions": impressions, "clicks": clicks}


async def _asked(request: Request, listed: int, most: int) -> _Asked:
    """Raises `ApiError` 401, 403, 422, 429, 503."""
    service, query = service_of(request), request.query_params
    await service.gate.require(request, "read")
    limit = number(query, "limit", most) or listed
    tally: ShownTally = request.app.state.shown
    return _Asked(service.model, await asyncio.to_thread(tally.now), query.get("product_id"), limit)


def _element(row: ShownElement, credit: ElementRow | None) -> ElementOut:
    learned: dict[str, Any] = {name: None if credit is None else getattr(credit, name) for name in LEARNED}
    return ElementOut(**vars(row), **learned)


def _pair(pair: ShownPair) -> PairOut:
    effect = pair.effect
    return PairOut(
        first=effect.first.element_id,
        first_component=effect.first.component,
        second=effect.second.element_id,
        second_component=effect.second.component,
        first_own=effect.first_own,
        second_own=effect.second_own,
        effect=effect.effect,
        ci_low=effect.low,
        ci_high=effect.high,
        impressions=pair.impressions,
        clicks=pair.clicks,
    )
