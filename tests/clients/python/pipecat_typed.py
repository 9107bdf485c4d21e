"""pipecat-ai's OpenAIRealtimeLLMService: typed turns in a pipeline, one of which calls a tool.

Cases: OpenAI's server, and azure.
"""

from __future__ import annotations

import asyncio

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import EndFrame, LLMContextFrame, LLMMessagesAppendFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
)
from pipecat.services.azure.realtime.llm import AzureRealtimeLLMService
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from pipecat_common import TOOL, get_weather, told
from telling import arguments, tell


async def main() -> None:
    asked = arguments()
    url = asked.url.replace("http:", "ws:")
    kind, path = OpenAIRealtimeLLMService, "/v1/realtime"
    if asked.case == "azure":
        kind, path = AzureRealtimeLLMService, "/openai/v1/realtime"
    llm = kind(
        api_key="sk-none",
        base_url=f"{url}{path}",
        settings=kind.Settings(
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
