"""openai-agents' RealtimeRunner: typed turns, one of which calls a tool."""

from __future__ import annotations

import asyncio

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeItem, RealtimeRunner, RealtimeSession
from telling import arguments, tell


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


def told(history: list[RealtimeItem]) -> list[tuple[str, str]]:
    """The session's history; it has no items for calls and their outputs."""
    items = []
    for item in history:
        if item.type == "message":
            words = (getattr(p, "text", None) or getattr(p, "transcript", "") for p in item.content)
            items.append((item.role, " ".join(filter(None, words))))
    return items


async def answered(session: RealtimeSession, calls: int) -> list[RealtimeItem]:
    """Take events until the answer is complete, those to calls of tools included; the history."""
    history: list[RealtimeItem] = []
    async for event in session:
        if event.type == "history_updated":
            history = event.history
        elif event.type == "error":
            raise RuntimeError(event.error)
        elif event.type == "agent_end":
            if not calls:
                break
            calls -= 1
    return history


async def main() -> None:
    url = arguments().url.replace("http:", "ws:")
    agent = RealtimeAgent(name="assistant", instructions="Be brief.", tools=[get_weather])
    settings = {"model_name": "gpt-realtime", "modalities": ["text"]}
    runner = RealtimeRunner(agent, config={"tracing_disabled": True, "model_settings": settings})
    there = {"url": f"{url}/v1/realtime?model=gpt-realtime", "api_key": "sk-none"}
    async with await runner.run(model_config=there) as session:
        for words, calls in (("Hello there.", 0), ("What is the weather?", 1), ("Goodbye.", 0)):
            await session.send_message(words)
            history = await answered(session, calls)
    tell(told(history))


asyncio.run(main())
