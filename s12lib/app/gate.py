"""What stands in front of Gradio's server: only what the page and its API need comes in, checked and within bounds.

Everything else gets one sentence as JSON. Gradio has further routes, trusts the shape of what comes to them, and writes
a traceback to the log where it is wrong.
"""

import asyncio
import json
import logging
import os
import re
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from s12lib.app.listeners import Listeners
from s12lib.app.uploads import ALL_BYTES, VISITOR_BYTES, UploadError, Uploads

BUSY = "The app is busy with the images of others: try again in a few seconds."
NOT_UNDERSTOOD = "That request is not understood: the page's footer links to a description of what the app takes."
NOT_FOUND = "There is nothing at that address: the page's footer links to a description of what the app offers."
TOO_LARGE = "That request is too large: upload images, and choose settings from those on the page."
TOO_MANY = "At most {most} images go at a time, but there are {count}."

MAX_BODY = 100_000  # bytes of JSON; what the page sends has a few thousand
MAX_NAME = 255  # bytes of one part of a path; no file system here has longer ones, and Gradio would trip over them
OVERHEAD = 10_000  # bytes of an upload that are no file's
API = "/gradio_api"
GET = re.compile(
    r"/|/(config|theme\.css|robots\.txt|favicon\.ico|manifest\.json)/?|/(assets|static|svelte)/.+"
    rf"|{API}/(info|startup-events|app_id|theme\.css)/?|{API}/heartbeat/[\w-]{{1,64}}|{API}/file=.+"
)
LISTEN = re.compile(rf"{API}/call/(?:v2/)?(?P<name>\w+)/(?P<event>\w{{1,64}})|(?P<queue>{API}/queue/data)")
CALL = re.compile(rf"{API}/call/(?P<v2>v2/)?(?P<name>\w+)/?")
POST = re.compile(rf"{API}/(queue/join|cancel|reset/?|upload)")
logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # strangers' slips are no warnings


class Refused(Exception):
    """A request that is turned away, with a sentence and a status of HTTP."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def visitor_of(scope: Scope) -> str:
    """The address that a request comes from: what uploads are counted by.

    All requests to a Space come from its host's proxy. Such a proxy adds the address that it was asked from at the end
    of ``X-Forwarded-For``; what stands before it, the visitor may have made up. Its own helpers' addresses are private.
    """
    client = (scope.get("client") or ("", 0))[0]
    if os.environ.get("SYSTEM") != "spaces":
        return client
    named = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    for address in map(str.strip, reversed(named)):
        with suppress(ValueError):
            if ip_address(address).is_global:
                return address
    return client


class Gate:
    """The first thing that a request meets. ``blocks`` is Gradio's page, whose queue knows who waits for what."""

    def __init__(self, app: Any, blocks: Any, uploads: Uploads, max_images: int) -> None:
        self.app, self.blocks, self.uploads, self.max_images = app, blocks, uploads, max_images
        self.listeners = Listeners(blocks)
        self.endpoints = {fn.api_name for fn in blocks.fns.values() if fn.api_visibility == "public"}
        blocks.is_awaited = self.listeners.is_awaited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008, "reason": NOT_FOUND})
        try:
            await self.admit(scope, receive, send)
        except Refused as refused:
            await says(str(refused), refused.status)(scope, receive, send)
        except UploadError as refused:
            await says(str(refused), 413)(scope, receive, send)
        except ClientDisconnect:
            pass

    async def admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request or have Gradio do so. Raises Refused or UploadError."""
        path, method = scope["path"], scope["method"]
        if "\0" in path or any(len(part.encode("utf-8", "replace")) > MAX_NAME for part in path.split("/")):
            raise Refused(NOT_FOUND, 404)
        if method in ("GET", "HEAD"):
            if GET.fullmatch(path):
                return await self.app(scope, receive, send)
            if path == f"{API}/upload_progress":  # the page shows none; what it must be told is that all is well
                return await Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")(scope, receive, send)
            if (found := LISTEN.fullmatch(path)) and method == "GET":
                asked = Request(scope).query_params.get("session_hash", "")
                visit = asked if found["queue"] else self.listeners.visit_of(found["event"])
                if not self.listeners.expects(visit):
                    raise Refused(NOT_FOUND, 404)
                return await self.listeners.listen(visit, self.app, scope, receive, send)
        elif method == "POST":
            if path == f"{API}/upload":
                return await self.upload(scope, receive, send)
            called = CALL.fullmatch(path)
            if POST.fullmatch(path) or (called and called["name"] in self.endpoints):
                by_name = bool(called and called["v2"])
                body, asking = await self.checked_body(path, bool(called), by_name, Request(scope, receive))
                try:
                    return await self.app(scope, replayed(body, receive), self.listeners.once_heard(asking, send))
                except (TypeError, ValueError, KeyError):
                    if by_name:  # Gradio fits the names to the function by itself, and trips over those that do not fit
                        raise Refused(NOT_UNDERSTOOD, 422) from None
                    raise
        raise Refused(NOT_FOUND, 404)

    # ---- requests for an answer ----

    async def checked_body(
        self, path: str, called: bool, with_names: bool, request: Request
    ) -> tuple[bytes, str | None]:
        """The body of a POST, if it is what such a request has, and whose visit it names. Raises Refused."""
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > MAX_BODY:
                raise Refused(TOO_LARGE, 413)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise Refused(NOT_UNDERSTOOD, 422) from None
        if not isinstance(body, dict) or not is_word(body.get("session_hash", "none")):
            raise Refused(NOT_UNDERSTOOD, 422)
        joins = path.endswith("/queue/join")
        function = self.blocks.fns.get(body.get("fn_index")) if isinstance(body.get("fn_index"), int) else None
        if joins and (function is None or "session_hash" not in body):
            raise Refused(NOT_UNDERSTOOD, 422)
        if (joins or called) and not with_names:
            given = body.get("data")
            if not isinstance(given, list) or (function and len(given) != len(function.inputs)):
                raise Refused(NOT_UNDERSTOOD, 422)
            self.check_count(given)
        elif with_names:
            self.check_count(list(body.values()))
        return content, body.get("session_hash")

    def check_count(self, given: list[Any]) -> None:
        """Raise Refused where a list of files is longer than any that is answered."""
        for value in given:
            if isinstance(value, list) and len(value) > self.max_images and isinstance(value[0], dict):
                raise Refused(TOO_MANY.format(most=self.max_images, count=len(value)), 422)

    # ---- uploads ----

    async def upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the files of one request. What is refused or broken off was never on disk under a name."""
        request = Request(scope, receive)
        visitor = visitor_of(scope)
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else VISITOR_BYTES
        word = self.uploads.reserve(visitor, min(size, ALL_BYTES + 1))
        try:
            files = await self.parts(request, size)
            self.uploads.release(word)
            paths = []
            for file in files:
                content = await file.read()
                await file.close()
                self.uploads.room_for(visitor, len(content))
                paths.append(await asyncio.to_thread(self.uploads.keep, visitor, file.filename or "image", content))
        finally:
            self.uploads.release(word)
        await JSONResponse(paths)(scope, receive, send)

    async def parts(self, request: Request, size: int) -> list[Any]:
        """The files in the body of an upload. Raises Refused where it is no upload, or has too many of them."""

        async def stream() -> Any:
            seen = 0
            async for part in request.stream():
                seen += len(part)
                if seen > size + OVERHEAD:
                    raise Refused(TOO_LARGE, 413)
                yield part

        try:
            form = await MultiPartParser(request.headers, stream(), max_files=self.max_images, max_fields=8).parse()
        except (MultiPartException, KeyError) as error:
            many = "Too many files" in str(error)
            raise Refused(
                TOO_MANY.format(most=self.max_images, count="more") if many else NOT_UNDERSTOOD, 422
            ) from None
        files = [value for _, value in form.multi_items() if not isinstance(value, str)]
        if not files:
            raise Refused(NOT_UNDERSTOOD, 422)
        return files


def is_word(value: object) -> bool:
    """Whether this can be the name that a browser gives to its visit."""
    return value is None or (isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value) is not None)


def replayed(body: bytes, receive: Receive) -> Receive:
    """``receive`` for a request whose body has been read already."""
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def says(sentence: str, status: int) -> Response:
    """An answer of one sentence, under the names that Gradio's page and its clients look for."""
    return JSONResponse({"detail": sentence, "error": sentence}, status)
