"""What the studio uses of the application around it: the guard of rollouts and the jobs, which start and stop there."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from genco.serving.guard import Guard
from genco.serving.jobs import Jobs

_STATE = "genco.surroundings"


class Surroundings:
    """Plain ASGI, outermost: keeps the state of the application that the studio is mounted in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, _STATE: scope["app"].state}, receive, send)


def guard_of(request: Request) -> Guard:
    guard: Guard = request.scope[_STATE].guard
    return guard


def jobs_of(request: Request) -> Jobs:
    jobs: Jobs = request.scope[_STATE].jobs
    return jobs
