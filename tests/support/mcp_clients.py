"""MCP servers as users run them, and the package's own client, called from plain functions."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Queue
from typing import Any

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from eventstore import EventStore
from eventstore.mcp.asking import Service
from eventstore.mcp.bounds import one_line
from eventstore.mcp.over_http import serve_http
from eventstore.mcp.running import access_without_key
from eventstore.web.server.access import AccessKeys
from eventstore.web.server.requests import Stores
from support.terminal import COMMAND, environment


class Connected:
    """A client that is connected to a server."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal, self._client = portal, client

    def call(self, name: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool."""
        return self._portal.call(self._client.call_tool, name, arguments)

    def text(self, name: str, /, **arguments: Any) -> str:
        """The text of a tool's answer, which must be no error."""
        result = self.call(name, **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result)

    def data(self, name: str, /, **arguments: Any) -> Any:
        """The structured content of a tool's answer, which must be no error."""
        result = self.call(name, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    def error(self, name: str, /, **arguments: Any) -> str:
        """The error of a tool, which must be one plain line."""
        result = self.call(name, **arguments)
        assert result.is_error, result
        return check_error(result)

    def together(self, *calls: tuple[str, dict[str, Any]]) -> list[CallToolResult]:
        """Call tools at the same time."""

        async def gathered() -> list[CallToolResult]:
            return list(await asyncio.gather(*(self._client.call_tool(*one) for one in calls)))

        return self._portal.call(gathered)

    def cancelled(self, name: str, begun: threading.Event) -> None:
        """Call a tool, and cancel the call when the tool has begun."""

        async def cancel() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(self._client.call_tool, name, {})
                await anyio.to_thread.run_sync(begun.wait, 30)
                group.cancel_scope.cancel()

        self._portal.call(cancel)

    def tools(self) -> dict[str, Any]:
        """The tools that are listed, by name."""
        return {tool.name: tool for tool in self._portal.call(self._client.list_tools).tools}

    def resources(self) -> list[str]:
        """The addresses of the first page of resources."""
        return [one.uri for one in self._portal.call(self._client.list_resources).resources]

    def read(self, uri: str) -> str:
        """The text of a resource."""
        return str(self._portal.call(self._client.read_resource, uri).contents[0].text)


def text_of(result: CallToolResult) -> str:
    """The text of an answer."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def check_error(result: CallToolResult) -> str:
    """The line of an answer that is an error."""
    (content,) = result.content
    assert isinstance(content, TextContent) and result.structured_content is None
    assert content.text.startswith("Error: "), content.text
    assert content.text == one_line(content.text) and len(content.text) < 700, content.text
    assert "Traceback" not in content.text
    return content.text.removeprefix("Error: ")


@contextmanager
def connected(server: Any) -> Iterator[Connected]:
    """Connect to a server, by what the package's client takes for one."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield Connected(portal, client)


@contextmanager
def over_stdio(
    url: str, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[Connected]:
    """Start `eventstore mcp` as a client does, and connect to it."""
    arguments = [*COMMAND[1:], "mcp", "--db", url, *options]
    variables = {**environment(), **(env or {})}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=variables)
    with connected(server) as client:
        yield client


@contextmanager
def over_http(address: str, key: str | None = None) -> Iterator[Connected]:
    """Connect to a server that listens."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    http = httpx2.AsyncClient(headers=headers, timeout=60)
    with connected(streamable_http_client(address, http_client=http)) as client:
        yield client


@contextmanager
def serving(
    store: EventStore,
    keys: AccessKeys | None = None,
    *,
    raw: bool = False,
    allow_writing: bool = False,
    time_limit: float = 10.0,
) -> Iterator[str]:
    """Serve a store by streamable HTTP, with keys or without; yields the address."""
    access = access_without_key("everybody", {}, raw, allow_writing)
    service = Service(Stores(store, store, keys), access, allow_writing, time_limit)
    with listening(service) as address:
        yield address


@contextmanager
def listening(service: Service) -> Iterator[str]:
    """Serve streamable HTTP on loopback, in a thread, as `eventstore mcp --listen 0` does."""
    ports: Queue[int] = Queue()
    loops: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Queue()

    async def serve() -> None:
        stop = asyncio.Event()
        loops.put((asyncio.get_running_loop(), stop))
        await serve_http(service, "127.0.0.1", 0, None, ports.put, stop, asyncio.Event())

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    loop, stop = loops.get(timeout=30)
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}/mcp"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()
