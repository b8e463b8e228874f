"""Routes match what Starlette's own match, path by path, and those that compute are asked first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Route

from service.routers import ENDPOINTS
from service.routers.endpoint import routes
from service.routers.paths import PathRoute

PATHS = [
    "/v1/networks",
    "/v1/networks/{network}",
    "/v1/networks/{network}/feedforward",
    "/v1/networks/{network}/checkpoints/{name}",
    "/files/{name:path}",
    "/{x}",
]
PIECES = st.sampled_from(
    ["/", "v1", "networks", "net_a", "feedforward", "checkpoints", "files", "", "%", "\u00fc", "{x}"]
)


async def app(_scope: object, _receive: object, _send: object) -> None:
    raise AssertionError("matching calls nothing")


class App:
    __call__ = staticmethod(app)


APP = App()


def scope(path: str, root: str = "") -> dict[str, object]:
    return {"type": "http", "method": "POST", "path": path, "root_path": root}


@pytest.mark.parametrize("path", PATHS)
@given(asked=st.lists(PIECES, max_size=9).map("".join))
def test_as_starlette_matches(path: str, asked: str) -> None:
    assert PathRoute(path, APP).matches(scope(asked)) == Route(path, APP).matches(scope(asked))


@pytest.mark.parametrize("path", PATHS)
def test_what_is_there_is_found(path: str) -> None:
    asked = path.replace("{network}", "net_a").replace("{name}", "n").replace("{name:path}", "a/b").replace("{x}", "y")
    found = PathRoute(path, APP).matches(scope(asked))
    assert found[0] is Match.FULL
    assert found == Route(path, APP).matches(scope(asked))
    assert PathRoute(path, APP).matches(scope(f"/under{asked}", "/under")) == found


def test_the_calls_that_compute_come_first() -> None:
    ordered = [route.path for route in routes(ENDPOINTS)]
    computing = {endpoint.path for endpoint in ENDPOINTS if endpoint.tag == "Computing"}
    assert set(ordered[: len(computing)]) == computing
    assert sorted(ordered) == sorted({endpoint.path for endpoint in ENDPOINTS})
