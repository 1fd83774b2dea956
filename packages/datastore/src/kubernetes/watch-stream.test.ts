import { afterEach, describe, expect, test } from 'bun:test';
import { IPAMBlock } from '@calico/api';
import { ClockFake } from '@calico/reconcile';
import type { WatchEvent } from '../client.ts';
import { DatastoreError } from '../error.ts';
import { type ScriptedServer, startScriptedServer } from '../testing/scripted-server.ts';
import { kubernetesClient } from './client.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const encoder = new TextEncoder();
const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
const block = (name: string, resourceVersion: string) => ({ metadata: { name, resourceVersion }, spec: {} });

/** A server that streams these chunks and then ends, or stays silent. */
function streaming(chunks: readonly (string | Uint8Array)[], end: boolean, clock = new ClockFake()) {
  server = startScriptedServer(
    () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start(controller) {
            for (const chunk of chunks) controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk);
            if (end) controller.close();
          },
        }),
      ),
  );
  const client = kubernetesClient({ server: server.url }, { clock, watchSilenceMs: 60_000 });
  const stop = new AbortController();
  const stream = client.watch(IPAMBlock, { resourceVersion: '5', signal: stop.signal });
  return { stream, stop, clock };
}

async function all(stream: AsyncIterable<WatchEvent<IPAMBlock>>): Promise<string[]> {
  const seen: string[] = [];
  try {
    for await (const event of stream) {
      seen.push(
        event.type === 'BOOKMARK'
          ? `BOOKMARK ${event.resourceVersion}`
          : `${event.type} ${event.object.kind} ${event.object.metadata.name}`,
      );
    }
  } catch (err) {
    seen.push(err instanceof DatastoreError ? `${err.code}: ${err.reason}` : String(err));
  }
  return seen;
}

describe('a watch', () => {
  test('asks for bookmarks and a time to live', async () => {
    await all(streaming([], true).stream);
    const asked = server?.asked[0];
    expect(asked?.path).toBe('/apis/projectcalico.org/v3/ipamblocks');
    expect(asked?.query).toMatchObject({ watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '5' });
    expect(Number(asked?.query.timeoutSeconds)).toBeGreaterThanOrEqual(300);
  });

  test('gives events that come together, and cut in pieces, even within a character', async () => {
    const text = encoder.encode(line('ADDED', { ...block('ä', '6') }) + line('BOOKMARK', block('', '8')));
    const cut = text.indexOf(0xc3) + 1;
    const { stream } = streaming([text.slice(0, cut), text.slice(cut), `\n${line('DELETED', block('b', '9'))}`], true);
    expect(await all(stream)).toEqual(['BOOKMARK 5', 'ADDED IPAMBlock ä', 'BOOKMARK 8', 'DELETED IPAMBlock b']);
  });

  test('hands over what has been received at once', async () => {
    const { stream } = streaming([line('ADDED', block('a', '6')) + line('ADDED', block('b', '7'))], true);
    await stream.next();
    await stream.next();
    expect(stream.drain()).toHaveLength(1);
    expect(stream.drain()).toEqual([]);
  });

  test('tells an error of the server after the events before it', async () => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
    const { stream } = streaming([line('ADDED', block('a', '6')) + line('ERROR', status)], false);
    expect(await all(stream)).toEqual(['BOOKMARK 5', 'ADDED IPAMBlock a', 'Gone: too old resource version']);
  });

  test('tells of an event that is no JSON, and of one of no known type', async () => {
    expect(await all(streaming(['{"type":"AD\n'], false).stream)).toEqual([
      'BOOKMARK 5',
      'Internal: an event is no JSON: "{"type":"AD"',
    ]);
    await server?.stop();
    expect(await all(streaming([line('CHANGED', {})], false).stream)).toEqual([
      'BOOKMARK 5',
      'Internal: the type of an event is "CHANGED"',
    ]);
  });

  test('on which nothing comes for too long counts as lost', async () => {
    const { stream, clock } = streaming([line('ADDED', block('a', '6'))], false);
    await stream.next();
    await stream.next();
    const seen = all(stream);
    await clock.advance(60_000);
    expect(await seen).toEqual([`Timeout: ${server?.url} sent nothing for 60 s`]);
  });

  test('counts as lost sooner where the server has sent bookmarks often', async () => {
    const clock = new ClockFake();
    let send = (_text: string): void => {};
    server = startScriptedServer(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            start(controller) {
              send = text => controller.enqueue(encoder.encode(text));
              send('\n');
            },
          }),
        ),
    );
    const client = kubernetesClient({ server: server.url }, { clock, watchSilenceMs: 90_000 });
    const stream = client.watch(IPAMBlock, { resourceVersion: '5', signal: new AbortController().signal });
    await stream.next();
    for (const version of ['6', '7', '8']) {
      await clock.advance(5000);
      send(line('BOOKMARK', block('', version)));
      expect((await stream.next()).value).toEqual({ type: 'BOOKMARK', resourceVersion: version });
    }
    const seen = all(stream);
    await clock.advance(15_000);
    expect(await seen).toEqual([`Timeout: ${server?.url} sent nothing for 15 s`]);
  });

  test('ends quietly with its signal while it waits', async () => {
    // An empty line: this server sends its headers with the first chunk.
    const { stream, stop } = streaming(['\n'], false);
    await stream.next();
    const seen = all(stream);
    stop.abort();
    expect(await seen).toEqual([]);
  });
});
