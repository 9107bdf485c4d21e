// Be the recorded client by @openai/agents-realtime, unmodified; print its history.
// The argument names a file: {"url", "frames": [{"direction", "event"}], "outputs": {"function": "output"}}.
import { readFileSync } from 'node:fs';
import {
  OpenAIRealtimeWebSocket,
  RealtimeAgent,
  RealtimeSession,
  tool,
} from '@openai/agents-realtime';

const { url, frames, outputs } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const OWN = new Set(['session.update', 'input_audio_buffer.append']);

const tools = Object.entries(outputs).map(([name, output]) =>
  tool({
    name,
    description: 'recorded',
    parameters: { type: 'object', properties: {}, required: [], additionalProperties: true },
    strict: false,
    execute: async () => output,
  }),
);
const agent = new RealtimeAgent({ name: 'recorded', instructions: 'Be as recorded.', tools });
const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
const session = new RealtimeSession(agent, { transport });

let came = 0;
let expired = false;
session.on('error', () => {});
transport.on('*', (event) => {
  if (event.type !== 'connection_change' && 'type' in event) came += 1;
});
setTimeout(() => {
  expired = true;
}, 25000).unref();

const until = async (wanted) => {
  while (came < wanted && !expired) await new Promise((resolve) => setTimeout(resolve, 2));
};

await session.connect({ apiKey: 'sk-none', url });
let wanted = 0;
let before = null;
for (const { direction, event } of frames) {
  if (direction === 'server') {
    wanted += 1;
    continue;
  }
  const isOutput = event.item?.type === 'function_call_output';
  const asksForAnswer =
    event.type === 'response.create' && before?.item?.type === 'function_call_output';
  // The session sends its own configuration, calls' outputs, and asks for their answers.
  if (!OWN.has(event.type) && !isOutput && !asksForAnswer) {
    await until(wanted);
    transport.sendEvent(event);
  }
  before = event;
}
await until(wanted);
await new Promise((resolve) => setTimeout(resolve, 50));
const history = session.history
  .filter((item) => item.type === 'message')
  .map((item) => [
    item.itemId,
    item.content.map((part) => part.text ?? part.transcript ?? '').filter(Boolean).join(' '),
  ]);
console.log(JSON.stringify({ came, wanted, history }));
process.exit(0);
