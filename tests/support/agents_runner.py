"""Be a recorded client by the openai-agents runner, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from agents import FunctionTool
from agents.realtime import RealtimeAgent, RealtimeModel, RealtimeRunner, RealtimeSession
from agents.realtime.model_inputs import RealtimeModelRawClientMessage, RealtimeModelSendRawMessage

from eventstore import Frame
from eventstore.realtime.frames import CLIENT, SERVER, parse

#: What the runner does not speak: the beta's names, translation sessions, and xAI's response.done,
#: which it refuses, so that it never asks for the answer to a call's output.
NOT_ITS_DIALECT = frozenset({"openai-beta-interrupted", "openai-translation", "xai-tool-call"})
#: What the runner sends by itself.
ITS_OWN = frozenset({"session.update", "input_audio_buffer.append"})


def outputs(recorded: Sequence[Frame]) -> dict[str, str]:
    """What the recorded client answered to function calls, by the function's name."""
    names, found = {}, {}
    for frame in recorded:
        event = parse(str(frame.text)) or {}
        item = event.get("item") or {}
        if item.get("type") == "function_call":
            names[item.get("call_id")] = item.get("name")
        elif item.get("type") == "function_call_output" and frame.direction == CLIENT:
            found[names[item["call_id"]]] = item["output"]
    return found


def agent_of(recorded: Sequence[Frame]) -> RealtimeAgent[Any]:
    """An agent with the recorded functions, which answer as they did."""

    def tool(name: str, output: str) -> FunctionTool:
        async def call(context: Any, arguments: str) -> str:
            return output

        schema = {"type": "object", "properties": {}, "additionalProperties": True}
        return FunctionTool(name, "recorded", schema, call, strict_json_schema=False)

    tools = [tool(name, output) for name, output in outputs(recorded).items()]
    return RealtimeAgent(name="recorded", instructions="Be as recorded.", tools=tools)


def is_sent_by_the_runner(event: dict[str, Any], before: dict[str, Any] | None) -> bool:
    """Its own frames, and a call's output with the response that it asks for."""
    output = (event.get("item") or {}).get("type") == "function_call_output"
    asked = event["type"] == "response.create" and before is not None
    after_output = asked and (before.get("item") or {}).get("type") == "function_call_output"
    return event["type"] in ITS_OWN or output or after_output


async def play(
    url: str, recorded: Sequence[Frame], model: RealtimeModel | None = None
) -> RealtimeSession:
    """Be the recorded client by the runner; its session after the last frame."""
    runner = RealtimeRunner(agent_of(recorded), model=model, config={"tracing_disabled": True})
    config = {"url": f"{url}/realtime?model=gpt-realtime", "api_key": "sk-none"}
    session = await runner.run(model_config=config)
    came = 0

    async with session:

        async def listen() -> None:
            nonlocal came
            async for event in session:
                if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                    came += 1

        listening = asyncio.create_task(listen())
        wanted, before = 0, None
        for frame in recorded:
            if frame.direction == SERVER:
                wanted += 1
                continue
            event = parse(str(frame.text)) or {}
            if not is_sent_by_the_runner(event, before):
                await _until(lambda wanted=wanted: came >= wanted)
                others = {key: value for key, value in event.items() if key != "type"}
                message = RealtimeModelRawClientMessage(type=event["type"], other_data=others)
                await session.model.send_event(RealtimeModelSendRawMessage(message=message))
            before = event
        await _until(lambda: came >= wanted)
        listening.cancel()
    return session


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)
