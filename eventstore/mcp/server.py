"""The MCP server: lists the tools, runs them in threads, and turns errors into one line each.

Called by over_stdio.py and over_http.py. This module and these two are the only ones that import
the package `mcp`, which is an extra.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from eventstore.common import unforeseen
from eventstore.common.version import VERSION
from eventstore.errors import EventStoreError
from eventstore.mcp.answers import Answer
from eventstore.mcp.asking import Asker, Service
from eventstore.mcp.bounds import MAX_ANSWER_BYTES, error_line, json_answer, plain_text
from eventstore.mcp.resources import list_calls, read_call, template
from eventstore.mcp.tools.registry import BY_NAME, INSTRUCTIONS, TOOLS, Tool, schema_of
from eventstore.mcp.transcripts import Transcripts
from eventstore.web.server.access import Access
from eventstore.web.server.errors import PRIVATE, ApiError, shown_error
from eventstore.web.server.places import Places

LOGGER = logging.getLogger("eventstore.mcp")

#: How many tools run at once, and how many calls of one asker may wait for their turn.
AT_ONCE, WAITING = 8, 64

Found = TypeVar("Found")
Context = ServerRequestContext[Any, Any]


class _Handlers:
    """What the server does for each kind of request.

    Args:
        service: The server's settings.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transcripts = Transcripts()
        self._places = Places(AT_ONCE, WAITING)
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    def _asker(self, context: Context) -> Asker:
        """Return who sent a request: the holder of its API key, or whoever needs no key."""
        request = context.request
        if request is None and self._service.stores.keys is not None:
            raise MCPError(types.INVALID_REQUEST, "a key is needed")
        access: Access = self._service.access if request is None else request.state.access
        return Asker(self._service, access, self._transcripts)

    async def list_tools(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """Return the tools that the asker may use."""
        asker = self._asker(context)
        return types.ListToolsResult(
            tools=[described(tool) for tool in TOOLS if asker.may(tool.right)]
        )

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Run a tool in a thread, and return its answer, or its error as one line."""
        asker = self._asker(context)
        tool = BY_NAME.get(params.name)
        if tool is None or not asker.may(tool.right):
            return _failed(f"there is no tool {params.name[:80]}")
        try:
            arguments = tool.arguments.model_validate(params.arguments or {})
        except ValidationError as error:
            return _failed(_wrong_argument(error))
        try:
            answer = await self._run(asker, partial(tool.run, asker, arguments))
        except Exception as error:
            return _failed(_told(f"the tool {tool.name}", error))
        return tool_result(answer)

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Return the newest sessions as resources, page by page."""
        asker = self._asker(context)
        after = params.cursor if params is not None else None
        return await self._answered(
            asker, "the list of resources", partial(list_calls, asker, after)
        )

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Return the transcript that a resource is."""
        asker = self._asker(context)
        return await self._answered(asker, "a resource", partial(read_call, asker, str(params.uri)))

    async def list_templates(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Return the form of the resources' addresses."""
        return types.ListResourceTemplatesResult(resource_templates=[template()])

    async def _answered(self, asker: Asker, what: str, work: Callable[[], Found]) -> Found:
        """Run what answers about resources, whose errors are errors of the protocol."""
        try:
            return await self._run(asker, work)
        except Exception as error:
            raise MCPError(types.INVALID_PARAMS, _told(what, error)) from None

    async def _run(self, asker: Asker, work: Callable[[], Found]) -> Found:
        """Run a function in a thread, when it is this asker's turn."""
        place = await self._places.take(asker.access.scope or asker.access.name)
        with place:
            asker.begin(anyio.from_thread.check_cancelled)
            return await anyio.to_thread.run_sync(work, limiter=self._threads)


def make_server(service: Service) -> Server[Any]:
    """Return the MCP server of a store.

    Args:
        service: The server's settings.
    """
    _log_without_content()
    handlers = _Handlers(service)
    return Server(
        "eventstore",
        version=VERSION,
        title="Realtime event store",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_read_resource=handlers.read_resource,
        on_list_resource_templates=handlers.list_templates,
    )


def described(tool: Tool) -> types.Tool:
    """Return a tool as the protocol describes it."""
    # What only tools that write can be is told of these alone: a model pays for each word.
    if tool.right == "read":
        hints = types.ToolAnnotations(read_only_hint=True)
    else:
        repeats = tool.name != "score"
        hints = types.ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=repeats
        )
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema_of(tool.arguments),
        annotations=hints,
    )


def tool_result(answer: Answer) -> types.CallToolResult:
    """Return an answer as the protocol has it. Its text and its data say the same."""
    text, data = plain_text(answer.text), None
    if answer.data is not None:
        text, data = json_answer(answer.data)
    # Tools keep their answers small; if one does not, the answer is refused rather than sent.
    if len(text.encode("utf-8", "replace")) > 2 * MAX_ANSWER_BYTES:
        return _failed("the answer is too large; ask for less at once, by limit or session")
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
    if answer.sound is not None:
        sound = base64.b64encode(answer.sound).decode()
        content.append(types.AudioContent(type="audio", data=sound, mime_type="audio/wav"))
    return types.CallToolResult(content=content, structured_content=data)


# Errors of the verbs name commands that list sessions. A model has tools for these.
_TOOLS_FOR = {"sessions": "find_sessions", "responses": "find_responses", "state": "read_session"}
_COMMAND = re.compile(r"(?<=with: )eventstore (sessions|responses|state)\b")
_OPTION = re.compile(r"(?<!\S)--(?=[a-z])")


def _for_models(message: str) -> str:
    """Return an error's message with tools in place of commands, and arguments of options."""
    return _OPTION.sub("", _COMMAND.sub(lambda found: _TOOLS_FOR[found[1]], message))


def _failed(message: str) -> types.CallToolResult:
    content = types.TextContent(type="text", text=f"Error: {error_line(message)}")
    return types.CallToolResult(content=[content], is_error=True)


def _wrong_argument(error: ValidationError) -> str:
    """Return in words which argument is wrong, and why, without its value."""
    first, *others = error.errors(include_url=False, include_context=False, include_input=False)
    place = first["loc"]
    for other in others:
        if other["loc"][:1] == place[:1]:  # the value fits none of several types: the last is text
            first, place = other, place[:1]
    name = ".".join(str(part) for part in place)[:80]
    if first["type"] == "extra_forbidden":
        return f"{name}: there is no such argument"
    return f"{name or 'the arguments'}: {first['msg'].removeprefix('Value error, ')}"


def _told(what: str, error: Exception) -> str:
    """Return what an asker may know of an error. A fault is logged, without its message."""
    if isinstance(error, ApiError):
        return str(error)
    if isinstance(error, EventStoreError):
        shown = shown_error(error)[2]
        if shown in PRIVATE.values():
            LOGGER.warning("%s: %s", what, error_line(str(error)))
        return _for_models(shown)
    unforeseen.log_fault(LOGGER, what, error)
    return "the server failed; its log says where"


class _WithoutContent(logging.Handler):
    """Logs faults of the package `mcp` without their messages, which may hold content."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            unforeseen.log_fault(LOGGER, "the MCP server", error)


def _log_without_content() -> None:
    """Let the package `mcp` log nothing but faults, and these without content."""
    logger = logging.getLogger("mcp")
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    if not any(isinstance(one, _WithoutContent) for one in logger.handlers):
        logger.addHandler(_WithoutContent())
