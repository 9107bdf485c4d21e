"""semantic-kernel's OpenAIRealtimeWebsocket: typed turns, one of which calls a function.

Cases: OpenAI's server, and azure.
"""

from __future__ import annotations

import asyncio

from event_items import EventItems, calls
from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import (
    AzureRealtimeExecutionSettings,
    AzureRealtimeWebsocket,
    OpenAIRealtimeExecutionSettings,
    OpenAIRealtimeWebsocket,
)
from semantic_kernel.connectors.ai.realtime_client_base import RealtimeClientBase
from semantic_kernel.contents import RealtimeTextEvent, TextContent
from semantic_kernel.contents.realtime_events import RealtimeEvent
from semantic_kernel.functions import kernel_function
from telling import arguments, tell

heard = EventItems()


class Weather:
    @kernel_function(name="get_weather", description="The weather.")
    def get_weather(self, city: str) -> str:
        return f"It is sunny in {city}."


async def answered(client: RealtimeClientBase) -> None:
    """Take events until an answer that calls no function is complete."""
    async for event in client.receive():
        if event.service_event is None or not hasattr(event.service_event, "model_dump"):
            continue
        told = event.service_event.model_dump()
        heard.take(told)
        if told["type"] == "error":
            raise RuntimeError(told)
        if told["type"] == "response.done" and not calls(told["response"]):
            return


def made(url: str, case: str) -> tuple[RealtimeClientBase, OpenAIRealtimeExecutionSettings]:
    how = {"output_modalities": ["text"], "instructions": "Be brief."}
    how["function_choice_behavior"] = FunctionChoiceBehavior.Auto()
    if case == "azure":
        there = {"endpoint": url, "deployment_name": "gpt-realtime", "api_key": "none"}
        client = AzureRealtimeWebsocket(**there, api_version="2025-08-28")
        return client, AzureRealtimeExecutionSettings(**how)
    base = f"{url.replace('http', 'ws', 1)}/v1"
    openai = AsyncOpenAI(api_key="sk-none", websocket_base_url=base)
    client = OpenAIRealtimeWebsocket(ai_model_id="gpt-realtime", client=openai)
    return client, OpenAIRealtimeExecutionSettings(**how)


async def main() -> None:
    asked = arguments()
    client, settings = made(asked.url, asked.case)
    kernel = Kernel()
    kernel.add_plugin(Weather(), "Weather")
    async with client(settings=settings, kernel=kernel):
        for words in ("Hello there.", "What is the weather?", "Goodbye."):
            await client.send(
                RealtimeTextEvent(
                    service_type="conversation.item.create", text=TextContent(text=words)
                )
            )
            await client.send(RealtimeEvent(service_type="response.create"))
            await answered(client)
    tell(heard.items)


asyncio.run(main())
