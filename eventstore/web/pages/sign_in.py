"""The pages `/sign-in` and `/sign-out`: a form exchanges an API key for a cookie."""

from __future__ import annotations

from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from eventstore.web.pages.rendering import page
from eventstore.web.server.access import digest
from eventstore.web.server.requests import is_own
from eventstore.web.server.sign_ins import HOURS, cookie_of

router = APIRouter(include_in_schema=False)

SIGN_IN_PATH = "/sign-in"
_FORM = 1 << 17  # bytes of a form: more than any address and key have


def sign_in_first(request: Request) -> Response:
    """Redirect to the form, which leads back to the requested page after the sign-in."""
    path = request.scope["raw_path"].decode("latin-1")
    target = path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN_PATH}?next={quote(target, safe='')}", 303)


def _next(target: str) -> str:
    """Return a path of this server; a text that could name another host becomes `/`."""
    return target if target.startswith("/") and target[1:2] not in ("/", "\\") else "/"


def _form(request: Request, status: int, target: str, failed: str | None) -> Response:
    return page(request, "sign_in.html", status, title="Sign in", next=target, failed=failed)


@router.get(SIGN_IN_PATH)
async def show_form(request: Request) -> Response:
    """Show the form; if the server has no keys, redirect to the requested page."""
    target = _next(request.query_params.get("next", "/"))
    if request.app.state.stores.keys is None:
        return RedirectResponse(target, 303)
    return _form(request, 200, target, None)


async def _sent(request: Request) -> bytes:
    """Return the beginning of the body. The sender has shown no key, so memory is bounded."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) >= _FORM:
            break
    return body[:_FORM]


@router.post(SIGN_IN_PATH)
async def sign_in(request: Request) -> Response:
    """Check the form's key, and set a cookie if the key may read."""
    if not is_own(request):
        return _form(request, 403, "/", "Sign in on this page itself.")
    form = parse_qs((await _sent(request)).decode("utf-8", "replace"))
    target = _next(form.get("next", ["/"])[0])
    access = (request.app.state.stores.keys or {}).get(digest(form.get("key", [""])[0].strip()))
    if access is None or "read" not in access.rights:
        why = "This key is not known here." if access is None else "This key has no right to read."
        return _form(request, 401, target, why)
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        cookie_of(request),
        request.app.state.sign_ins.begin(access),
        max_age=HOURS * 3600,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the sign-in. The request must come from a page of this server."""
    if not is_own(request):
        return page(request, "failed.html", 403, title="Forbidden", message="Sign out here.")
    request.app.state.sign_ins.end(request.cookies.get(cookie_of(request), ""))
    answer = RedirectResponse(SIGN_IN_PATH, 303)
    answer.delete_cookie(cookie_of(request))
    return answer
