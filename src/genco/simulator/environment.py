"""Online play in a simulated world: requests come in, combinations go out, clicks arrive at once or late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError
from genco.rng import stream
from genco.simulator.reference import Reference, reference
from genco.simulator.simulate import Simulation
from genco.simulator.world import Rows, World
from genco.types import Floats

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Requests:
    """The next requests. index: [batch] number of each since the start · product, context: int32 [batch] rows."""

    index: Indices
    product: Rows
    context: Rows

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Feedback:
    """Clicks that arrived while the last requests were served.

    request: [click] index of the request each click belongs to, in order of arrival · arrival: [click] the moment,
    counted in requests. Requests that are in no feedback were not clicked, or not yet, or their click was lost.
    """

    request: Indices
    arrival: Floats


class Environment:
    """Plays one simulation, `batch_rows` requests at a time.

        requests = environment.reset()
        feedback, requests = environment.step(combination)     # element rows [batch, slot] for `requests`

    Requests are uniform over all products of the catalogue and all segments. Equal seeds and equal play give equal
    feedback; the requests do not depend on play. A click arrives after an exponential delay with the scenario's mean,
    in requests; some never do.
    """

    def __init__(self, simulation: Simulation, seed: int = 0, batch_rows: int = 1_000, first_request: int = 0) -> None:
        if batch_rows < 1:
            raise DataError(f"Parameter `batch_rows` must be at least 1. Found {batch_rows}.")
        self.simulation = simulation
        self.seed = seed
        self.batch_rows = batch_rows
        self.first_request = first_request
        self._references: dict[tuple[int, int, int], Reference] = {}
        self.reset()

    def reset(self) -> Requests:
        """Start anew and return the first requests."""
        self._next = self.first_request
        self._late_request = np.empty(0, dtype=np.int64)
        self._late_arrival = np.empty(0)
        self.requests = self._draw_requests()
        return self.requests

    @property
    def world(self) -> World:
        """The truth at the moment of the first of the present requests."""
        return self.simulation.world.at(int(self.requests.index[0]))

    def click_probability(self, combination: Rows) -> Floats:
        """True click probability [batch] of element rows [batch, slot] for the present requests."""
        requests, every = self.requests, self.simulation.world.rotation_every
        if not every:
            return self.world.click_probability(requests.product, requests.context, combination)
        probability = np.empty(len(requests))
        epochs = requests.index // every
        for epoch in np.unique(epochs):
            now = epochs == epoch
            world = self.simulation.world.at(int(epoch) * every)
            probability[now] = world.click_probability(requests.product[now], requests.context[now], combination[now])
        return probability

    def step(self, combination: Rows) -> tuple[Feedback, Requests]:
        """Serve `combination` (element rows [batch, slot]) to the present requests.

        Returns the clicks that arrived meanwhile, and the next requests. Raises `DataError` for a wrong shape or an
        illegal combination.
        """
        self._check(combination)
        rng = stream(self.seed, "clicks", int(self.requests.index[0]))
        scenario, rows = self.simulation.scenario, len(self.requests)
        clicked = rng.random(rows) < self.click_probability(combination)
        clicked &= rng.random(rows) >= scenario.lost_clicks
        delay = rng.exponential(scenario.mean_delay, rows) if scenario.mean_delay else np.zeros(rows)
        request = np.concatenate([self._late_request, self.requests.index[clicked]])
        arrival = np.concatenate([self._late_arrival, (self.requests.index + delay)[clicked]])
        order = np.argsort(arrival, kind="stable")
        request, arrival = request[order], arrival[order]
        here = int(np.searchsorted(arrival, self._next, side="left"))
        self._late_request, self._late_arrival = request[here:], arrival[here:]
        self.requests = self._draw_requests()
        return Feedback(request[:here], arrival[:here]), self.requests

    def references(self) -> tuple[Floats, Floats]:
        """Click probability of random play and of the oracle of the moment, for the present requests: [batch] each."""
        every = self.simulation.world.rotation_every
        found = []
        for index, product, context in zip(*self._request_lists(), strict=True):
            key = (index // every if every else 0, product, context)
            if key not in self._references:
                self._references[key] = request_reference(self.simulation, product, context, index)
            found.append(self._references[key])
        return np.array([each.uniform for each in found]), np.array([each.oracle for each in found])

    def _request_lists(self) -> tuple[list[int], list[int], list[int]]:
        requests = self.requests
        return requests.index.tolist(), requests.product.tolist(), requests.context.tolist()

    def _draw_requests(self) -> Requests:
        rng = stream(self.seed, "requests", self._next)
        index = np.arange(self._next, self._next + self.batch_rows)
        self._next += self.batch_rows
        scenario = self.simulation.scenario
        product = rng.integers(scenario.num_products, size=self.batch_rows, dtype=np.int32)
        return Requests(index, product, rng.integers(scenario.num_segments, size=self.batch_rows, dtype=np.int32))

    def _check(self, combination: Rows) -> None:
        wanted = (len(self.requests), self.simulation.world.num_slots)
        if combination.shape != wanted:
            raise DataError(f"Parameter `combination` must be [request, slot] = {wanted}. Found {combination.shape}.")
        legal = self.simulation.is_legal(self.requests.product, combination)
        if not legal.all():
            row = int(np.argmin(legal))
            raise DataError(
                f"Every combination must be legal for its product. Found element rows {combination[row].tolist()} "
                f"for product row {int(self.requests.product[row])}."
            )


def request_reference(simulation: Simulation, product: int, context: int, request: int = 0) -> Reference:
    """Random play and oracle of one request of the simulation, at the moment of request number `request`."""

    def legal(combination: Rows) -> NDArray[np.bool_]:
        return simulation.is_legal(np.full(len(combination), product, dtype=np.int32), combination)

    candidates = simulation.candidates(product)
    world = simulation.world.at(request)
    return reference(world, product, context, candidates, legal if simulation.rules else None)
