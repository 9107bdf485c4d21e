// openai-node's three ways to a Realtime server, by --case: ws, websocket and azure.
// Typed turns, one of which calls a tool; always by TLS, with NODE_EXTRA_CA_CERTS.
import { parseArgs } from 'node:util';
import OpenAI, { AzureOpenAI } from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const { values } = parseArgs({ options: { url: { type: 'string' }, case: { type: 'string' } } });
const model = 'gpt-realtime';

const connect = async () => {
  if (values.case === 'azure') {
    const azure = { endpoint: values.url, apiKey: 'sk-none', apiVersion: '2025-08-28' };
    return OpenAIRealtimeWS.azure(new AzureOpenAI({ ...azure, deployment: model }));
  }
  const client = new OpenAI({ apiKey: 'sk-none', baseURL: `${values.url}/v1` });
  const kind = values.case === 'websocket' ? OpenAIRealtimeWebSocket : OpenAIRealtimeWS;
  return new kind({ model }, client);
};

// What the events make of the conversation: items in order, and what they say.
const items = new Map();
const take = (item) => {
  const said = (item.content ?? []).map((part) => part.text ?? part.transcript ?? '').join(' ');
  if (item.type === 'function_call') items.set(item.id, ['call', item.name]);
  else if (item.type === 'function_call_output') items.set(item.id, ['output', item.output]);
  else items.set(item.id, [item.role, said]);
};

const realtime = await connect();
realtime.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
realtime.on('conversation.item.added', (event) => take(event.item));
realtime.on('conversation.item.created', (event) => take(event.item));
realtime.on('conversation.item.done', (event) => take(event.item));
realtime.on('response.output_item.done', (event) => take(event.item));

const next = (type) => new Promise((resolve) => realtime.on(type, resolve));
const say = (words) => {
  const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text: words }] };
  realtime.send({ type: 'conversation.item.create', item });
  realtime.send({ type: 'response.create' });
};
const answered = async () => {
  const { response } = await next('response.done');
  const [call] = response.output.filter((item) => item.type === 'function_call');
  if (!call) return;
  const output = `It is sunny in ${JSON.parse(call.arguments).city}.`;
  const item = { type: 'function_call_output', call_id: call.call_id, output };
  realtime.send({ type: 'conversation.item.create', item });
  realtime.send({ type: 'response.create' });
  await answered();
};

await next('session.created');
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tool = { type: 'function', name: 'get_weather', description: 'It.', parameters: city };
const session = { type: 'realtime', output_modalities: ['text'], tools: [tool] };
realtime.send({ type: 'session.update', session });
await next('session.updated');
for (const words of ['Hello there.', 'What is the weather?', 'Goodbye.']) {
  const answer = answered();
  say(words);
  await answer;
}
realtime.close();
console.log(JSON.stringify({ items: [...items.values()] }));
setTimeout(() => process.exit(0), 100);
