// Listen by openai-node, unmodified, until the server closes; print the types of what came.
// Arguments: the server's address, https://HOST:PORT, and which client. All of them use TLS always.
import { AzureOpenAI, OpenAI } from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const [endpoint, kind] = process.argv.slice(2);
const model = 'gpt-realtime';
const openai = () => new OpenAI({ apiKey: 'sk-none', baseURL: `${endpoint}/v1` });
const azure = () =>
  new AzureOpenAI({ endpoint, apiKey: 'none', deployment: model, apiVersion: '2025-04-01-preview' });
const CLIENTS = {
  ws: async () => new OpenAIRealtimeWS({ model }, openai()),
  'ws-azure': async () => OpenAIRealtimeWS.azure(azure()),
  websocket: async () => new OpenAIRealtimeWebSocket({ model }, openai()),
  'websocket-azure': async () => OpenAIRealtimeWebSocket.azure(azure()),
};

const types = [];
const client = await CLIENTS[kind]();
client.on('event', (event) => types.push(event.type));
client.on('error', (error) => console.error(error.message, error.cause?.message ?? ''));
client.socket.addEventListener('close', () => {
  console.log(JSON.stringify(types));
  process.exit(0);
});
