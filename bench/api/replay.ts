// Part: an API server that lists prepared pods and, on a watch, sends prepared changes of them as fast as they are taken.
import { benchPod } from './objects.ts';
import { answer, task } from './part.ts';

const { pods, events } = task<{ pods: number; events: number }>();
const FIRST = 1000;
const CHUNK = 64 * 1024;

const stamped = (index: number, revision: number) => {
  const pod = benchPod(index);
  const ip = `10.65.${index >> 8}.${index & 255}`;
  return {
    ...pod,
    metadata: { ...pod.metadata, uid: crypto.randomUUID(), resourceVersion: String(revision) },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
};
const list = JSON.stringify({
  apiVersion: 'v1',
  kind: 'PodList',
  metadata: { resourceVersion: String(FIRST) },
  items: Array.from({ length: pods }, (_, i) => stamped(i, 1 + (i % FIRST))),
});
const encoder = new TextEncoder();
const chunks: Uint8Array[] = [];
let chunk = '';
for (let i = 0; i < events; i++) {
  chunk += `${JSON.stringify({ type: 'MODIFIED', object: stamped(i % pods, FIRST + 1 + i) })}\n`;
  if (chunk.length > CHUNK || i === events - 1) {
    chunks.push(encoder.encode(chunk));
    chunk = '';
  }
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  fetch: incoming => {
    if (!new URL(incoming.url).searchParams.has('watch')) {
      return new Response(list, { headers: { 'content-type': 'application/json' } });
    }
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async stream => {
        const next = chunks[sent++];
        // After the last one it stays open and silent.
        if (next === undefined) await new Promise(() => undefined);
        else stream.enqueue(next);
      },
    });
    return new Response(body, { headers: { 'content-type': 'application/json' } });
  },
});
await answer({ server: `http://127.0.0.1:${server.port}` });
