"""GET /v1/reports/elements, /combinations, /interactions and /policy."""

from __future__ import annotations

import asyncio

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
from genco.serving.reports import ShownElement, shown_elements
from genco.serving.routes.body import answer, described, service_of
from genco.serving.routes.policy_report import policy_report
from genco.serving.routes.query import json_object, number, parameter
from genco.serving.shown_tally import ShownLog, ShownTally

router = APIRouter(tags=["reports"])
LISTED, MOST_LISTED = 1_000, 100_000
PAIRS, MOST_PAIRS = 20, 1_000
POLICY_ROWS, MOST_POLICY_ROWS = 5_000, 50_000
_PRODUCT = parameter("product_id", "string")
_LIMIT = parameter("limit", "integer", minimum=1, maximum=MOST_LISTED)


@router.get(
    "/v1/reports/combinations", response_model=CombinationsAnswer, **described(None, 422, query=[_PRODUCT, _LIMIT])
)
async def combinations(request: Request) -> Response:
    """Combinations shown so far, of all products or of one."""
    service = service_of(request)
    await service.gate.require(request, "read")
    limit = number(request.query_params, "limit", MOST_LISTED) or LISTED
    log = await _shown(request)
    names = service.model.slot_names

    def build() -> CombinationsAnswer:
        rows = log.of(request.query_params.get("product_id"))
        found = [
            CombinationOut(
                product_id=row.product_id,
                combination=dict(zip(names, row.combination, strict=False)),
                impressions=row.impressions,
                clicks=row.clicks,
                conversions=row.conversions,
                revenue=row.revenue,
                reward=row.reward,
            )
            for row in rows[:limit]
        ]
        return CombinationsAnswer(
            until=log.until,
            impressions=sum(row.impressions for row in rows),
            clicks=sum(row.clicks for row in rows),
            num_combinations=len(rows),
            combinations=found,
        )

    return answer(await asyncio.to_thread(build))


@router.get("/v1/reports/elements", response_model=ElementsAnswer, **described(None, 422, query=[_PRODUCT, _LIMIT]))
async def elements(request: Request) -> Response:
    """Elements shown so far, by slot, and what each adds. Impressions of each slot add up to the total."""
    service = service_of(request)
    await service.gate.require(request, "read")
    limit = number(request.query_params, "limit", MOST_LISTED) or LISTED
    log, optimizer = await _shown(request), service.model.optimizer

    def build() -> ElementsAnswer:
        rows = log.of(request.query_params.get("product_id"))
        counted = shown_elements(rows, optimizer.catalogue)
        listed = counted[:limit]
        credit = element_credits(optimizer, rows, {row.element_id for row in listed if row.element_id is not None})
        found = [_element(row, credit.get(row.element_id or "")) for row in listed]
        return ElementsAnswer(
            until=log.until,
            impressions=sum(row.impressions for row in rows),
            clicks=sum(row.clicks for row in rows),
            num_elements=len(counted),
            elements=found,
            label_rules=LABEL_RULES,
        )

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
    service = service_of(request)
    await service.gate.require(request, "read")
    asked = request.query_params
    product_id, limit = asked.get("product_id", ""), number(asked, "limit", MOST_PAIRS) or PAIRS
    given = json_object(asked, "context")
    log, model = await _shown(request), service.model
    product = model.catalogue.product_rows.get(product_id)
    if product is None:
        raise ApiError(404, "unknown_product", f"The catalogue has no product {product_id!r}.")

    def build() -> list[ShownPair]:
        try:
            context = average_context(model.optimizer) if given is None else model.optimizer.context(given)
            return shown_pairs(model.optimizer, product, context, log.of(product_id), limit)
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


async def _shown(request: Request) -> ShownLog:
    tally: ShownTally = request.app.state.shown
    return await asyncio.to_thread(tally.now)


def _element(row: ShownElement, credit: ElementRow | None) -> ElementOut:
    return ElementOut(
        slot_id=row.slot_id,
        element_id=row.element_id,
        component=row.component,
        status=row.status,
        impressions=row.impressions,
        clicks=row.clicks,
        ctr=row.ctr,
        contribution=None if credit is None else credit.contribution,
        ci_low=None if credit is None else credit.ci_low,
        ci_high=None if credit is None else credit.ci_high,
        label=None if credit is None else credit.label,
    )


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
