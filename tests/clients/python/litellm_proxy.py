"""LiteLLM's proxy in front of the server, and the `openai` package in front of it: typed turns."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from event_items import EventItems, calls
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from telling import arguments, tell

heard = EventItems()
#: Of this run's proxy, which wants one that nobody guesses.
KEY = f"sk-{secrets.token_hex(32)}"


@contextmanager
def proxy(url: str) -> Iterator[str]:
    """Run the proxy; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    there = {"model": "openai/gpt-realtime", "api_base": f"{url}/v1", "api_key": "sk-none"}
    models = [{"model_name": "gpt-realtime", "litellm_params": there}]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(json.dumps({"model_list": models}))
        program = str(Path(sys.executable).with_name("litellm"))
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        own = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        environment = {**os.environ, **own}
        running = subprocess.Popen(command, stdout=sys.stderr, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/health/liveliness")
            yield f"ws://127.0.0.1:{port}/v1"
        finally:
            running.terminate()
            running.wait()


def wait_for(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)


async def answered(connection: AsyncRealtimeConnection) -> None:
    """Take events until the answer is complete."""
    async for event in connection:
        told = event.model_dump()
        heard.take(told)
        if told["type"] == "error":
            raise RuntimeError(told)
        if told["type"] == "response.done" and not calls(told["response"]):
            return


async def main() -> None:
    with proxy(arguments().url) as base:
        client = AsyncOpenAI(api_key=KEY, websocket_base_url=base)
        async with client.realtime.connect(model="gpt-realtime") as connection:
            session = {"type": "realtime", "output_modalities": ["text"]}
            await connection.session.update(session=session)
            for words in ("Hello there.", "Goodbye."):
                content = [{"type": "input_text", "text": words}]
                item = {"type": "message", "role": "user", "content": content}
                await connection.conversation.item.create(item=item)
                await connection.response.create()
                await answered(connection)
    tell(heard.items)


asyncio.run(main())
