"""langsmith's `wrap_realtime` around the `openai` package's connection: typed turns and a tool.

Its traces go to a server of this process, which takes all of them.
"""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from event_items import EventItems, calls
from langsmith import Client
from langsmith.integrations.openai_realtime import wrap_realtime
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from telling import arguments, tell

heard = EventItems()


async def answered(connection: AsyncRealtimeConnection) -> None:
    """Take events until an answer that calls no function is complete."""
    async for event in connection:
        told = event.model_dump()
        heard.take(told)
        if told["type"] == "error":
            raise RuntimeError(told)
        if told["type"] != "response.done":
            continue
        if not (called := calls(told["response"])):
            return
        for call in called:
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"}
            await connection.conversation.item.create(item=output)
        await connection.response.create()


class Traces(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


async def main() -> None:
    taking = ThreadingHTTPServer(("127.0.0.1", 0), Traces)
    threading.Thread(target=taking.serve_forever, daemon=True).start()
    traces = Client(api_url=f"http://127.0.0.1:{taking.server_port}", api_key="none")
    base = f"{arguments().url.replace('http', 'ws', 1)}/v1"
    client = AsyncOpenAI(api_key="sk-none", websocket_base_url=base)
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "name": "get_weather", "description": "It.", "parameters": city}
    async with (
        client.realtime.connect(model="gpt-realtime") as raw,
        wrap_realtime(raw, client=traces) as connection,
    ):
        session = {"type": "realtime", "output_modalities": ["text"], "tools": [tool]}
        await connection.session.update(session=session)
        for words in ("Hello there.", "What is the weather?", "Goodbye."):
            content = [{"type": "input_text", "text": words}]
            item = {"type": "message", "role": "user", "content": content}
            await connection.conversation.item.create(item=item)
            await connection.response.create()
            await answered(connection)
    tell(heard.items)


asyncio.run(main())
