// @openai/agents-realtime's RealtimeSession: typed turns, one of which calls a tool.
import { parseArgs } from 'node:util';
import {
  OpenAIRealtimeWebSocket,
  RealtimeAgent,
  RealtimeSession,
  tool,
} from '@openai/agents-realtime';

const { values } = parseArgs({ options: { url: { type: 'string' }, case: { type: 'string' } } });
const url = `${values.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;

const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = tool({
  name: 'get_weather',
  description: 'The weather of a city.',
  parameters: { ...city, additionalProperties: true },
  strict: false,
  execute: async ({ city }) => `It is sunny in ${city}.`,
});
const agent = new RealtimeAgent({
  name: 'assistant',
  instructions: 'Be brief.',
  tools: [weather],
});
const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
const config = { outputModalities: ['text'] };
const session = new RealtimeSession(agent, { transport, config, model: 'gpt-realtime' });
session.on('error', (error) => {
  console.error(error);
  process.exit(1);
});

let ends = 0;
session.on('agent_end', () => (ends += 1));
const until = async (wanted) => {
  while (ends < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
};

await session.connect({ apiKey: 'sk-none', url });
// The call of a tool ends an answer of its own.
for (const [words, wanted] of [['Hello there.', 1], ['What is the weather?', 3], ['Goodbye.', 4]]) {
  session.sendMessage(words);
  await until(wanted);
}
const said = (item) => item.content.map((part) => part.text ?? part.transcript ?? '').join(' ');
const messages = session.history.filter((item) => item.type === 'message');
console.log(JSON.stringify({ items: messages.map((item) => [item.role, said(item)]) }));
session.close();
setTimeout(() => process.exit(0), 100);
