"""pydantic-ai's realtime session: two typed turns and one that calls a tool, or spoken ones."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    SpeechPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.providers.azure import AzureProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import (
    RealtimeSession,
    RealtimeTurnCompleteEvent,
)
from pydantic_ai.realtime.azure import AzureRealtimeModel
from pydantic_ai.realtime.openai import OpenAIRealtimeModel, OpenAIRealtimeModelSettings
from telling import arguments, tell, turn

agent = Agent(instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


def told(messages: list[ModelMessage]) -> list[tuple[str, str]]:
    """The history that the session keeps."""
    items = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, SpeechPart):
                items.append((part.speaker, part.transcript or ""))
            elif isinstance(part, UserPromptPart):
                items.append(("user", str(part.content)))
            elif isinstance(part, TextPart):
                items.append(("assistant", part.content))
            elif isinstance(part, ToolCallPart):
                items.append(("call", part.tool_name))
            elif isinstance(part, ToolReturnPart):
                items.append(("output", str(part.content)))
    return items


async def type_turns(session: RealtimeSession) -> None:
    for words in ("Hello there.", "What is the weather?", "Goodbye."):
        await session.send(words)
        await session.wait_for_reply()


async def speak_turns(session: RealtimeSession) -> None:
    """Four turns; the third one interrupts the answer to the second."""
    heard: asyncio.Queue[int] = asyncio.Queue()
    silenced, complete = asyncio.Event(), asyncio.Semaphore(0)

    async def play() -> None:
        played = 0
        async for _ in session.stream_audio():
            played = played + 1 if heard.empty() else 0
            if played == 4:
                heard.put_nowait(played)
                await silenced.wait()

    async def listen() -> None:
        async for event in session:
            if isinstance(event, RealtimeTurnCompleteEvent):
                complete.release()

    async def speak() -> None:
        for chunk in turn():
            await session.send_audio(chunk)
            await asyncio.sleep(0.004)

    tasks = [asyncio.create_task(play()), asyncio.create_task(listen())]
    await speak()
    await complete.acquire()
    await speak()
    await heard.get()
    await speak()
    silenced.set()
    for _ in ("the story", "the weather"):
        await complete.acquire()
    await speak()
    await complete.acquire()
    for task in tasks:
        task.cancel()


async def main() -> None:
    asked = arguments()
    if asked.case == "azure":
        azure = {"azure_endpoint": asked.url, "api_key": "sk-none", "api_version": "v1"}
        model = AzureRealtimeModel("gpt-realtime", provider=AzureProvider(**azure))
    else:
        provider = OpenAIProvider(base_url=f"{asked.url}/v1", api_key="sk-none")
        model = OpenAIRealtimeModel("gpt-realtime", provider=provider)
    settings = OpenAIRealtimeModelSettings(output_modality="text")
    if asked.case == "spoken":
        settings = OpenAIRealtimeModelSettings()
    async with agent.realtime(model, model_settings=settings).session(
        handle_barge_in=asked.case == "spoken"
    ) as session:
        await (speak_turns if asked.case == "spoken" else type_turns)(session)
    tell(told(session.all_messages()))


asyncio.run(main())
