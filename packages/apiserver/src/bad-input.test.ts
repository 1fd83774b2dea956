/** What clients should not send, and how it is refused. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { parseFieldSelector } from './field-selector.ts';
import { parseLabelSelector } from './label-selector.ts';
import { type Answer, startTestServer, TEST_TOKEN, type TestServer } from './testing.ts';

const SETS = '/apis/projectcalico.org/v3/namespaces/default/networksets';
const POLICIES = '/apis/projectcalico.org/v3/globalnetworkpolicies';
const PODS = '/api/v1/namespaces/default/pods';
let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
  await t.call('POST', SETS, { metadata: { name: 'kept' }, spec: { nets: ['10.0.0.0/8'] } });
});
afterAll(async () => {
  expect((await t.call('GET', `${SETS}/kept`)).body.spec as unknown).toEqual({ nets: ['10.0.0.0/8'] });
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

const set = (rest: object) => JSON.stringify({ metadata: { name: 'bad' }, spec: {}, ...rest });
const control = String.fromCharCode(1);
const MEGABYTE = 1024 * 1024;
const nested = (depth: number): string => `{"spec":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;

const bodies: { name: string; path?: string; body: string; code: number; text: string }[] = [
  {
    name: 'a spec that is text',
    body: set({ spec: 'x' }),
    code: 422,
    text: 'spec: Invalid value: "x": must be an object',
  },
  {
    name: 'a list that is an object',
    body: set({ spec: { nets: {} } }),
    code: 422,
    text: 'spec.nets: Invalid value: {}: must be a list',
  },
  {
    name: 'labels that are a list',
    body: set({ metadata: { name: 'bad', labels: [] } }),
    code: 422,
    text: 'metadata.labels',
  },
  {
    name: 'finalizers that are an object',
    body: set({ metadata: { name: 'bad', finalizers: {} } }),
    code: 422,
    text: 'metadata.finalizers',
  },
  { name: 'metadata that is null', body: set({ metadata: null }), code: 400, text: 'metadata must be a JSON object' },
  {
    name: 'a number beyond 64 bits',
    path: PODS,
    body: '{"metadata":{"name":"x"},"spec":{"priority":99999999999999999999,"containers":[{"name":"c","image":"i"}]}}',
    code: 422,
    text: 'spec.priority',
  },
  { name: 'a number that JSON does not have', body: '{"spec":NaN}', code: 400, text: 'expected a value at offset 8' },
  { name: '10 MB', body: `{"x":"${'y'.repeat(10 * MEGABYTE)}"}`, code: 413, text: 'limit is 3145728 bytes' },
  { name: 'nesting of 100,000 levels', body: nested(100_000), code: 400, text: 'nested deeper than 128 levels' },
  {
    name: 'a control character in a string',
    body: `{"metadata":{"name":"a${control}b"}}`,
    code: 400,
    text: 'control character in a string',
  },
  {
    name: 'an escaped control character in a name',
    body: set({ metadata: { name: 'a\u0000b' } }),
    code: 422,
    text: 'metadata.name: Invalid value: "a\\u0000b"',
  },
  {
    name: 'a control character in a label',
    body: set({ metadata: { name: 'bad', labels: { a: 'x\ny' } } }),
    code: 422,
    text: 'metadata.labels[a]',
  },
  {
    name: 'half a character in a name',
    body: '{"metadata":{"name":"\\ud800"},"spec":{}}',
    code: 422,
    text: 'metadata.name',
  },
  { name: 'a network that is none', body: set({ spec: { nets: ['10.0.0.1/8x'] } }), code: 422, text: 'spec.nets[0]' },
  {
    name: 'a network with host bits in a rule',
    path: POLICIES,
    body: JSON.stringify({
      metadata: { name: 'bad' },
      spec: { selector: 'all()', ingress: [{ action: 'Allow', source: { nets: ['10.0.0.1/8'] } }] },
    }),
    code: 422,
    text: 'host bits must be zero, as in "10.0.0.0/8"',
  },
  {
    name: 'a pool with host bits',
    path: '/apis/projectcalico.org/v3/ippools',
    body: '{"metadata":{"name":"bad"},"spec":{"cidr":"10.0.0.1/16"}}',
    code: 422,
    text: 'host bits must be zero, as in "10.0.0.0/16"',
  },
  {
    name: 'a port beyond 32 bits',
    path: '/api/v1/namespaces/default/services',
    body: '{"metadata":{"name":"bad"},"spec":{"ports":[{"port":80,"targetPort":3000000000}]}}',
    code: 422,
    text: 'spec.ports[0].targetPort: Invalid value: 3000000000: must be text, or a number of 32 bits',
  },
  {
    name: 'the label of another tier',
    path: POLICIES,
    body: JSON.stringify({
      metadata: { name: 'bad', labels: { 'projectcalico.org/tier': 'other' } },
      spec: { tier: 'none', selector: 'all()' },
    }),
    code: 422,
    text: 'spec.tier: Not found: "none"',
  },
  {
    name: 'a selector of 10,000 terms',
    path: POLICIES,
    body: JSON.stringify({
      metadata: { name: 'bad' },
      spec: { selector: Array(10_000).fill("a == 'b'").join(' || ') },
    }),
    code: 422,
    text: 'spec.selector: Too long',
  },
  {
    name: 'a selector of 10,000 brackets',
    path: POLICIES,
    body: JSON.stringify({
      metadata: { name: 'bad' },
      spec: { selector: `${'('.repeat(10_000)}all()${')'.repeat(10_000)}` },
    }),
    code: 422,
    text: 'spec.selector',
  },
  {
    name: 'a tier that does not exist',
    path: POLICIES,
    body: JSON.stringify({ metadata: { name: 'none.bad' }, spec: { tier: 'none', selector: 'all()' } }),
    code: 422,
    text: 'spec.tier',
  },
  {
    name: 'a resourceVersion',
    body: set({ metadata: { name: 'bad', resourceVersion: 5 } }),
    code: 400,
    text: 'metadata.resourceVersion must be a string',
  },
];

const check = (answer: Answer, code: number, text: string): void => {
  expect([answer.code, String(answer.body.message).slice(0, 400)]).toEqual([code, expect.stringContaining(text)]);
  expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code } as never);
};

test.each(bodies)('an object with $name is refused with $code', async ({ path = SETS, body, code, text }) => {
  check(await t.call('POST', path, body), code, text);
});

test('duplicate keys are told, and refused where the client asks for strictness', async () => {
  const body = '{"metadata":{"name":"bad","name":"worse"},"spec":{}}';
  check(await t.call('POST', `${SETS}?fieldValidation=Strict`, body), 400, 'duplicate field "metadata.name"');
});

test('networks with host bits are taken where Calico takes them, with a warning of what they stand for', async () => {
  const nets = ['10.0.0.1/8', 'fd00::1/64', '10.0.0.1', '10.0.0.0/8'];
  const { code, body, headers } = await t.call('POST', SETS, { metadata: { name: 'hosts' }, spec: { nets } });
  expect([code as unknown, body.spec?.nets]).toEqual([201, nets]);
  expect(headers.get('warning')).toBe(
    String.raw`299 - "spec.nets[0]: \"10.0.0.1/8\" has host bits; it stands for \"10.0.0.0/8\"", 299 - "spec.nets[1]: \"fd00::1/64\" has host bits; it stands for \"fd00::/64\""`,
  );
  const merge = { 'content-type': 'application/merge-patch+json' };
  const labelled = await t.call('PATCH', `${SETS}/hosts`, { metadata: { labels: { a: 'b' } } }, merge);
  expect(labelled.headers.get('warning')).toBeNull();
  const many = Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.1/24`);
  const warned = await t.call('PATCH', `${SETS}/hosts`, { spec: { nets: many } }, merge);
  expect(warned.headers.get('warning')).toContain('990 more networks have host bits');
});

test('fields of another version are kept by every way to write, and only refused where strictness is asked for', async () => {
  const spec = { nets: ['10.0.0.0/8'], newer: { deep: [1, { of: 'it' }] } };
  const made = await t.call('POST', `${SETS}?fieldValidation=Ignore`, { metadata: { name: 'newer' }, spec, other: 1 });
  expect(made.body).toMatchObject({ spec, other: 1 } as never);
  const path = `${SETS}/newer`;
  const kept = async (nets: string[]) =>
    expect((await t.call('GET', path)).body).toMatchObject({ spec: { ...spec, nets }, other: 1 } as never);
  for (const [i, type] of ['merge-patch', 'strategic-merge-patch', 'json-patch', 'apply-patch'].entries()) {
    const nets = [`10.${i}.0.0/16`];
    const bodies: Record<string, unknown> = {
      'json-patch': [{ op: 'replace', path: '/spec/nets', value: nets }],
      'apply-patch': {
        apiVersion: 'projectcalico.org/v3',
        kind: 'NetworkSet',
        metadata: { name: 'newer' },
        spec: { nets },
      },
    };
    const media = type === 'apply-patch' ? 'application/apply-patch+yaml' : `application/${type}+json`;
    const asked = `${path}?fieldManager=m${type === 'apply-patch' ? '&force=true' : ''}&fieldValidation=Strict`;
    const { code } = await t.call('PATCH', asked, bodies[type] ?? { spec: { nets } }, { 'content-type': media });
    expect([type, code]).toEqual([type, 200]);
    // An applied set is added to that of others.
    await kept(type === 'apply-patch' ? ['10.2.0.0/16', ...nets] : nets);
  }
  const now = (await t.call('GET', path)).body;
  const replaced = { ...now, spec: { ...Object(now.spec), nets: ['10.9.0.0/16'] } };
  expect((await t.call('PUT', `${path}?fieldValidation=Strict`, replaced)).code).toBe(200);
  await kept(['10.9.0.0/16']);
  const more = { ...replaced, metadata: { name: 'newer' }, spec: { ...replaced.spec, another: 1 } };
  check(await t.call('PUT', `${path}?fieldValidation=Strict`, more), 400, 'unknown field "spec.another"');
});

const apply = (name: string, yaml: string): { name: string; yaml: string } => ({ name, yaml });
const documents: { name: string; yaml: string; text: string }[] = [
  {
    ...apply(
      'aliases that explode',
      `${Array.from(
        { length: 12 },
        (_, i) =>
          `a${i}: &a${i} [${Array(9)
            .fill(i === 0 ? 'x' : `*a${i - 1}`)
            .join(', ')}]`,
      ).join('\n')}\n`,
    ),
    text: 'error decoding YAML',
  },
  { ...apply('an alias of itself', 'a: &x [*x]\n'), text: 'error decoding YAML' },
  { ...apply('an unknown alias', 'a: *x\n'), text: 'error decoding YAML' },
  { ...apply('two documents', 'a: 1\n---\nb: 2\n'), text: 'exactly one document' },
  { ...apply('a key given twice', 'a: 1\na: 2\n'), text: 'line 2, column 1' },
  {
    ...apply('deep nesting', `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}\n`),
    text: 'error decoding YAML: nested deeper than 128 levels',
  },
  { ...apply('a map as a key', '? {a: 1}\n: b\n'), text: 'keys must be text' },
  { ...apply('broken indentation', 'a: b: c\n'), text: 'line 1' },
  { ...apply('text', 'hello\n'), text: 'must be a JSON or YAML object' },
];

test.each(documents)('an applied document with $name is refused', async ({ yaml, text }) => {
  const type = { 'content-type': 'application/apply-patch+yaml' };
  check(await t.call('PATCH', `${SETS}/kept?fieldManager=m`, yaml, type), 400, text);
});

test('an applied document of 100,000 keys is answered soon', async () => {
  const labels = Array.from({ length: 100_000 }, (_, i) => `k${i}: v`).join(', ');
  const document = `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: kept, labels: {${labels}}}\n`;
  const before = process.cpuUsage().user;
  const type = { 'content-type': 'application/apply-patch+yaml' };
  await t.call('PATCH', `${SETS}/kept?fieldManager=m`, document, type);
  // A second or two where it is; minutes where each key is compared with every other.
  expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(30);
}, 60_000);

const merge = 'application/merge-patch+json';
const yaml = 'application/apply-patch+yaml';
const requests: { method: string; path: string; body?: unknown; type?: string; code: number; text: string }[] = [
  {
    method: 'PUT',
    path: `${SETS}/kept`,
    body: { metadata: { name: 'kept', resourceVersion: '1' }, spec: {} },
    code: 409,
    text: 'the object has been modified',
  },
  {
    method: 'PATCH',
    path: `${SETS}/kept`,
    body: { metadata: { resourceVersion: '1' } },
    type: merge,
    code: 409,
    text: 'the object has been modified',
  },
  {
    method: 'DELETE',
    path: `${SETS}/kept`,
    body: { preconditions: { resourceVersion: '1' } },
    code: 409,
    text: 'Precondition failed',
  },
  { method: 'GET', path: `${SETS}?resourceVersion=x`, code: 400, text: 'must be a decimal integer' },
  { method: 'GET', path: `${SETS}?resourceVersion=999999`, code: 504, text: 'Too large resource version' },
  { method: 'GET', path: `${SETS}?limit=-1`, code: 400, text: 'limit is "-1"' },
  { method: 'GET', path: `${SETS}?continue=zzz`, code: 400, text: 'continue key is not valid' },
  { method: 'GET', path: `${SETS}?labelSelector=a%20in%20(b`, code: 400, text: 'Cannot parse label selector' },
  { method: 'GET', path: `${SETS}?fieldSelector=spec.x%3D1`, code: 400, text: 'field label not supported' },
  { method: 'GET', path: `${SETS}?watch=maybe`, code: 400, text: 'allowed: true, false' },
  {
    method: 'POST',
    path: `${SETS}?fieldValidation=Sometimes`,
    body: {},
    code: 400,
    text: 'allowed: Strict, Warn, Ignore',
  },
  {
    method: 'POST',
    path: `${SETS}?fieldManager=${'m'.repeat(129)}`,
    body: {},
    code: 400,
    text: 'up to 128 printable characters',
  },
  { method: 'POST', path: `${SETS}?fieldManager=a%00b`, body: {}, code: 400, text: 'up to 128 printable characters' },
  {
    method: 'PATCH',
    path: `${SETS}/kept`,
    body: {},
    type: yaml,
    code: 422,
    text: 'fieldManager: Required value: is required for apply patch',
  },
  {
    method: 'PATCH',
    path: `${SETS}/kept?force=true`,
    body: {},
    type: merge,
    code: 400,
    text: 'may not be specified for non-apply patch',
  },
  {
    method: 'PATCH',
    path: `${SETS}/kept`,
    body: {},
    type: 'text/plain',
    code: 415,
    text: 'application/merge-patch+json',
  },
  {
    method: 'PATCH',
    path: `${SETS}/kept`,
    body: [],
    type: 'application/strategic-merge-patch+json',
    code: 400,
    text: 'the body is not an object',
  },
];

test.each(requests)('$method $path is refused with $code: $text', async ({ method, path, body, type, code, text }) => {
  check(await t.call(method, path, body, type === undefined ? {} : { 'content-type': type }), code, text);
});

test('invalid UTF-8 is refused, also in applied YAML', async () => {
  for (const [method, path, type] of [
    ['POST', SETS, 'application/json'],
    ['PATCH', `${SETS}/kept?fieldManager=m`, yaml],
  ] as const) {
    const headers = { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': type };
    const body = Uint8Array.of(0x61, 0x3a, 0x20, 0xff, 0xfe);
    const answer = await fetch(`${t.server.urls[0]}${path}`, { method, headers, body });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('not valid UTF-8')]);
  }
});

test('a body without a length is cut off at the limit', async () => {
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(MEGABYTE).fill(0x20));
      if (++sent === 10) controller.close();
    },
  });
  const headers = { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': 'application/json' };
  const { status } = await fetch(`${t.server.urls[0]}${SETS}`, { method: 'POST', headers, body });
  expect(status).toBe(413);
});

test('selectors of 10,000 terms are read, and long ones of other kinds refused, without holding others up', () => {
  const terms = Array.from({ length: 10_000 }, (_, i) => `k${i}!=v${i}`).join(',');
  expect(parseLabelSelector(terms)).toHaveLength(10_000);
  expect(parseFieldSelector(Array(10_000).fill('metadata.name!=a').join(','))).toHaveLength(10_000);
  const long = 100_000;
  const started = performance.now();
  for (const text of [
    `a${' '.repeat(long)}b`,
    'a'.repeat(long),
    `${'a.'.repeat(long)}/`,
    `a in (${'x'.repeat(long)}!)`,
    `a=${'-'.repeat(long)}`,
  ]) {
    expect(() => parseLabelSelector(text)).toThrow('Cannot parse label selector');
  }
  for (const text of [`a=${'\\\\'.repeat(long)}=`, `${'\\'.repeat(long)}=`]) {
    expect(() => parseFieldSelector(text)).toThrow('Cannot parse field selector');
  }
  expect(performance.now() - started).toBeLessThan(2_000);
});
