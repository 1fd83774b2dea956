import { afterEach, expect, test } from 'bun:test';
import { ConfigMap, Pod } from '@calico/api';
import fc from 'fast-check';
import { type Asked, type ScriptedServer, startScriptedServer } from '../testing/scripted-server.ts';
import { kubernetesClient } from './client.ts';
import { PROTOBUF, readProtobuf, readsProtobuf } from './protobuf.ts';

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const encoder = new TextEncoder();

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

/** A field of a message: text, bytes or a message of it are delimited, numbers are not. */
function field(number: number, value: string | number | readonly number[]): number[] {
  if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
  const bytes = typeof value === 'string' ? [...encoder.encode(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

const entry = (key: string, value: string) => [...field(1, key), ...field(2, value)];

function envelope(kind: string, raw: readonly number[]): Uint8Array {
  const type = [...field(1, 'v1'), ...field(2, kind)];
  return Uint8Array.from([...encoder.encode('k8s\0'), ...field(1, type), ...field(2, raw)]);
}

const pod = [
  ...field(1, [
    ...field(1, 'web-0'),
    ...field(2, ''),
    ...field(3, 'shop'),
    ...field(6, '17'),
    ...field(8, field(1, 1_700_000_000)),
    ...field(9, field(1, 1_767_323_045)),
    ...field(11, entry('app', 'wéb')),
    ...field(11, entry('__proto__', '')),
    // managedFields, and one that nobody knows yet.
    ...field(17, [...field(1, 'kubelet'), ...field(7, '{"f:metadata":{}}')]),
    ...field(999, 7),
  ]),
  ...field(2, [
    ...field(2, [
      ...field(1, 'server'),
      ...field(6, [...field(1, 'http'), ...field(2, 0), ...field(3, 8080), ...field(4, 'TCP')]),
    ]),
    ...field(10, 'node-1'),
    ...field(11, 0),
  ]),
  ...field(3, [...field(1, 'Running'), ...field(12, field(1, '10.0.0.1')), ...field(12, field(1, 'fd00::1'))]),
];
const body = envelope('PodList', [
  ...field(1, [...field(2, '42'), ...field(3, 'more')]),
  ...field(2, pod),
  ...field(2, pod),
]);
const labels = Object.defineProperty({ app: 'wéb' } as Record<string, string>, '__proto__', {
  value: '',
  enumerable: true,
});
const read = {
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    resourceVersion: '17',
    deletionTimestamp: '2026-01-02T03:04:05Z',
    labels,
  },
  spec: {
    containers: [{ name: 'server', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }],
    nodeName: 'node-1',
  },
  status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
};

test('readProtobuf gives what the JSON would be, and steps over what nobody reads', () => {
  const value = readProtobuf(body);
  expect(value).toEqual({ metadata: { resourceVersion: '42', continue: 'more' }, items: [read, read] });
  expect(JSON.stringify(value)).toContain('"__proto__":""');
  expect(readProtobuf(envelope('PodList', []))).toEqual({});
});

test('readProtobuf refuses what is cut off or broken, whatever it is, and kinds that it does not know', () => {
  for (let length = 0; length < body.length; length++)
    expect(() => readProtobuf(body.slice(0, length))).toThrow(RangeError);
  expect(() => readProtobuf(envelope('SecretList', []))).toThrow('the kind is "SecretList"; allowed: PodList, Status');
  expect(() => readProtobuf(envelope('constructor', []))).toThrow('allowed');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: body.length - 1 }), (noise, at) => {
      const broken = body.slice();
      broken.set(noise.subarray(0, body.length - at), at);
      try {
        readProtobuf(broken);
      } catch (err) {
        expect(err).toBeInstanceOf(RangeError);
      }
    }),
  );
});

test('protobuf is read of pods alone', () => {
  expect([readsProtobuf(Pod), readsProtobuf(ConfigMap)]).toEqual([true, false]);
});

function client(answer: (asked: Asked) => Response) {
  server = startScriptedServer(answer);
  return kubernetesClient({ server: server.url }, { readRetries: 0 });
}

const inProtobuf = (bytes: Uint8Array, status = 200) =>
  new Response(bytes as Uint8Array<ArrayBuffer>, { status, headers: { 'content-type': PROTOBUF } });

test('pages of pods are asked for in protobuf, and taken as JSON from a server that has nothing else', async () => {
  const kubernetes = client(({ query }) =>
    query.continue === 'more'
      ? Response.json({ metadata: { resourceVersion: '42' }, items: [read] })
      : inProtobuf(body),
  );
  const pods: Pod[] = [];
  const version = await kubernetes.listPages(Pod, {}, items => void pods.push(...items));
  expect(pods.map(({ kind, apiVersion, metadata }) => `${apiVersion} ${kind} ${metadata.name}`)).toEqual(
    Array(3).fill('v1 Pod web-0'),
  );
  expect(version).toBe('42');
  expect(server?.asked.map(({ headers }) => headers.accept)).toEqual(Array(2).fill(`${PROTOBUF}, application/json`));
  await kubernetes.list(Pod).catch(() => undefined);
  expect(server?.asked.at(-1)?.headers.accept).toBe('application/json');
});

test('a refusal in protobuf is told in its words, and what cannot be read is', async () => {
  const refusal = envelope('Status', [...field(3, 'pods is forbidden'), ...field(4, 'Forbidden'), ...field(6, 403)]);
  const kubernetes = client(({ query }) =>
    query.labelSelector ? inProtobuf(refusal, 403) : inProtobuf(body.slice(0, 50)),
  );
  const take = () => undefined;
  expect(kubernetes.listPages(Pod, { labelSelector: 'a=b' }, take)).rejects.toMatchObject({
    code: 'Forbidden',
    message: expect.stringContaining('pods is forbidden'),
  });
  expect(kubernetes.listPages(Pod, {}, take)).rejects.toMatchObject({
    code: 'Internal',
    message: expect.stringContaining('cannot be read as protobuf: it ends within a field'),
  });
});
