// Part: many watches of one target's ConfigMaps. Answers when all are open, then with what came within them.
import { wallTime } from './objects.ts';
import { answer, task } from './part.ts';
import { request, type Target } from './target.ts';

const { target, clients, events } = task<{ target: Target; clients: number; events: number }>();
const list = await request(target, '/api/v1/configmaps?limit=1');
const { metadata } = (await list.json()) as { metadata: { resourceVersion: string } };
const path = `/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=${metadata.resourceVersion}`;

const latencies: number[] = [];
let firstAt = 0;
let lastAt = 0;
const STAMP = /at:([\d.]+);/g;

/** Reads one watch until all events have come. Takes the stamps out of the text; a line's end is not looked for. */
async function follow(body: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  let seen = 0;
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const now = wallTime();
    firstAt ||= now;
    let end = 0;
    for (const match of rest.matchAll(STAMP)) {
      latencies.push(now - Number(match[1]));
      end = match.index + match[0].length;
      seen++;
    }
    rest = rest.slice(end);
    lastAt = now;
    if (seen >= events) return;
  }
  throw new Error(`Cannot measure: a watch ended after ${seen} events; allowed: ${events}`);
}

const bodies: ReadableStream<Uint8Array>[] = [];
for (let i = 0; i < clients; i++) {
  const { body, status } = await request(target, path);
  if (body === null || status !== 200) throw new Error(`Cannot measure: a watch was answered with ${status}`);
  bodies.push(body);
}
await answer('ready');
await Promise.all(bodies.map(follow));
await answer({ latencies, wallMs: lastAt - firstAt });
process.exit(0);
