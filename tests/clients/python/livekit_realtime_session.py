"""livekit-agents' RealtimeSession: typed turns by `generate_reply()`, one of which calls a tool.

Cases: OpenAI's server; azure; azure-preview, which has the shape of before the GA.
"""

from __future__ import annotations

import asyncio

import aiohttp
from livekit.agents import function_tool, llm
from livekit.plugins import openai
from livekit_common import told
from telling import arguments, tell


@function_tool
async def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


async def reply(session: llm.RealtimeSession) -> None:
    """Ask for an answer, and answer the functions that it calls."""
    generation = await session.generate_reply()
    calls = []
    async for message in generation.message_stream:
        async for _ in message.text_stream:
            pass
    async for call in generation.function_stream:
        calls.append(call)
    context = session.chat_ctx.copy()
    for call in calls:
        output = llm.FunctionCallOutput(
            call_id=call.call_id, name=call.name, output="It is sunny in Paris.", is_error=False
        )
        context.items.append(output)
    if calls:
        await session.update_chat_ctx(context)
        await reply(session)


def model_of(url: str, case: str, http: aiohttp.ClientSession) -> openai.realtime.RealtimeModel:
    common = {"modalities": ["text"], "api_key": "sk-none", "http_session": http}
    if case.startswith("azure"):
        version = {"api_version": "2025-04-01-preview"} if case == "azure-preview" else {}
        there = {"azure_deployment": "gpt-realtime", "base_url": f"{url}/openai"}
        return openai.realtime.RealtimeModel.with_azure(**there, **common, **version)
    return openai.realtime.RealtimeModel(model="gpt-realtime", base_url=f"{url}/v1", **common)


async def main() -> None:
    asked = arguments()
    async with aiohttp.ClientSession() as http:
        session = model_of(asked.url, asked.case, http).session()
        await session.update_instructions("Be brief.")
        await session.update_tools([get_weather])
        for words in ("Hello there.", "What is the weather?", "Goodbye."):
            context = session.chat_ctx.copy()
            context.add_message(role="user", content=words)
            await session.update_chat_ctx(context)
            await reply(session)
        tell(told(session.chat_ctx))
        await session.aclose()


asyncio.run(main())
