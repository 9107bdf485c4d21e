"""pipecat-ai's OpenAIRealtimeLLMService: typed turns in a pipeline, one of which calls a tool."""

from __future__ import annotations

import asyncio
import sys

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import EndFrame, LLMContextFrame, LLMMessagesAppendFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
)
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from telling import arguments, tell

logger.remove()
logger.add(sys.stderr, level="WARNING")

TOOL = FunctionSchema("get_weather", "The weather.", {"city": {"type": "string"}}, ["city"])


async def get_weather(call: FunctionCallParams) -> None:
    await call.result_callback(f"It is sunny in {call.arguments['city']}.")


def told(context: LLMContext) -> list[tuple[str, str]]:
    """The context that the pipeline keeps."""
    items = []
    for message in context.get_messages():
        if message["role"] == "tool":
            items.append(("output", message["content"]))
        elif message.get("tool_calls"):
            items += [("call", call["function"]["name"]) for call in message["tool_calls"]]
        else:
            items.append((message["role"], message["content"]))
    return items


async def main() -> None:
    url = arguments().url.replace("http:", "ws:")
    llm = OpenAIRealtimeLLMService(
        api_key="sk-none",
        base_url=f"{url}/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime",
            system_instruction="Be brief.",
            session_properties=events.SessionProperties(output_modalities=["text"]),
        ),
    )
    llm.register_function("get_weather", get_weather)
    context = LLMContext([{"role": "user", "content": "Hello there."}], ToolsSchema([TOOL]))
    pair = LLMContextAggregatorPair(context)
    worker = PipelineWorker(Pipeline([pair.user(), llm, pair.assistant()]), enable_rtvi=False)
    answered: asyncio.Queue[str] = asyncio.Queue()

    @pair.assistant().event_handler("on_assistant_turn_stopped")
    async def on_stopped(aggregator: object, message: AssistantTurnStoppedMessage) -> None:
        if message.content:  # a call of a tool is no answer yet
            answered.put_nowait(message.content)

    async def talk() -> None:
        await worker.queue_frame(LLMContextFrame(context))
        await answered.get()
        for words in ("What is the weather?", "Goodbye."):
            # Behind the user's aggregator, which keeps such frames to itself; the service sends
            # all that is appended as the system's.
            message = {"role": "system", "content": words}
            await llm.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))
            await answered.get()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk())
    tell(told(context))


asyncio.run(main())
