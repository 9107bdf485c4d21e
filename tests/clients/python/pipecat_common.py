"""What the drivers of pipecat-ai share: its tool, and the context that a pipeline keeps."""

from __future__ import annotations

import sys

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import FunctionCallParams

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
