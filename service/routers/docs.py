"""The page that shows the OpenAPI document: Swagger UI out of this package, without any third-party host."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.errors import NotFound
from service.routers.endpoint import Answer, Endpoint

__all__ = ["ENDPOINTS"]

_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Gradwire</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = b"""SwaggerUIBundle({url: "openapi.json", dom_id: "#page", validatorUrl: null, deepLinking: true});
"""
_SCRIPT: Final = "text/javascript"
_FILES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": _SCRIPT}
_HEADERS: Final = {
    # The browser itself refuses whatever is not from here; Swagger UI writes its styles and icons inline.
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "public, max-age=3600",
    "referrer-policy": "no-referrer",
}


async def page(_request: Request) -> Response:
    """GET /docs."""
    return Response(_PAGE, headers=_HEADERS, media_type="text/html")


async def asset(request: Request) -> Response:
    """GET /docs/{file}: one of the page's own files, and no other."""
    name = request.path_params["file"]
    if name == "start.js":
        return Response(_START, headers=_HEADERS, media_type=_SCRIPT)
    if name not in _FILES:
        raise NotFound("The page has no such file.")
    return Response(_content(name), headers=_HEADERS, media_type=_FILES[name])


@cache
def _content(name: str) -> bytes:
    return resources.files("service.ui").joinpath(name).read_bytes()


ENDPOINTS: Final = tuple(
    Endpoint(
        "GET", path, handler, operation, "Service", summary, Answer(200, summary, media=("text/html",)), listed=False
    )
    for path, handler, operation, summary in (
        ("/docs", page, "getDocs", "The page that shows the OpenAPI document."),
        ("/docs/{file}", asset, "getDocsFile", "A file of that page."),
    )
)
