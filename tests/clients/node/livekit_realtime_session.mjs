// @livekit/agents' RealtimeSession: typed turns by generateReply(), one of which calls a tool.
// Cases: OpenAI's server, and azure.
import { parseArgs } from 'node:util';
import { initializeLogger, llm } from '@livekit/agents';
import * as openai from '@livekit/agents-plugin-openai';
import { z } from 'zod';

const { values } = parseArgs({ options: { url: { type: 'string' }, case: { type: 'string' } } });
initializeLogger({ pretty: false, level: 'silent' });

const key = { apiKey: 'sk-none' };
const azure = { azureDeployment: 'gpt-realtime', baseURL: `${values.url}/openai`, ...key };
const own = { model: 'gpt-realtime', baseURL: `${values.url}/v1`, modalities: ['text'], ...key };
const { RealtimeModel } = openai.realtime;
const model = values.case === 'azure' ? RealtimeModel.withAzure(azure) : new RealtimeModel(own);
const session = model.session();

const output = 'It is sunny in Paris.';
const parameters = z.object({ city: z.string() });
const execute = async () => output;
const tools = { get_weather: llm.tool({ description: 'The weather.', parameters, execute }) };
await session.updateInstructions('Be brief.');
await session.updateTools(new llm.ToolContext(tools));

const reply = async () => {
  const { messageStream, functionStream } = await session.generateReply();
  for await (const { textStream } of messageStream) for await (const _ of textStream);
  const calls = [];
  for await (const call of functionStream) calls.push(call);
  if (!calls.length) return;
  const context = session.chatCtx.copy();
  for (const { callId, name } of calls)
    context.items.push(llm.FunctionCallOutput.create({ callId, name, output, isError: false }));
  await session.updateChatCtx(context);
  await reply();
};

for (const content of ['Hello there.', 'What is the weather?', 'Goodbye.']) {
  const context = session.chatCtx.copy();
  context.addMessage({ role: 'user', content });
  await session.updateChatCtx(context);
  await reply();
}

const told = (item) => {
  if (item.type === 'function_call') return ['call', item.name];
  if (item.type === 'function_call_output') return ['output', item.output];
  return [item.role, item.textContent ?? ''];
};
console.log(JSON.stringify({ items: session.chatCtx.items.map(told) }));
await session.close();
setTimeout(() => process.exit(0), 100);
