/** Rules in CEL of other people's definitions: the embedded API server beside a real kube-apiserver. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type ServerLog, startApiServer } from '@calico/apiserver';
import { systemClock } from '@calico/process';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';

const missing = missingForKubernetes();
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const WIDGETS = '/apis/example.com/v1/namespaces/default/widgets';
const TOKEN = 'rules-token';

type Ask = (method: string, path: string, body?: object) => Promise<Response>;

/** A definition with these rules on its spec. */
function definition(rules: readonly object[]): object {
  const name = { type: 'string', maxLength: 20 };
  const spec = {
    type: 'object',
    properties: {
      size: { type: 'integer' },
      ratio: { type: 'number' },
      name,
      cidr: { type: 'string', maxLength: 50 },
      tags: { type: 'array', maxItems: 5, items: name },
      labels: { type: 'object', maxProperties: 5, additionalProperties: name },
      port: { 'x-kubernetes-int-or-string': true },
    },
    'x-kubernetes-validations': rules,
  };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const GOOD = [
  "self.name.startsWith('a') && self.name.matches('^[a-z]+$')",
  'self.tags.all(t, t.size() > 1) && self.tags.exists_one(t, t == self.name)',
  "isCIDR(self.cidr) && cidr(self.cidr).containsIP(ip('10.0.0.1')) && cidr(self.cidr).masked() == cidr(self.cidr)",
  "self.labels.all(k, self.labels[k] != '') && 'a' in self.labels",
  'self.size > 1.5 && self.ratio < 2 && self.port == 80',
  "self.tags.map(t, t.size()).sum() > 1 && self.name.lowerAscii() == 'x' && self.?name.orValue('a') == 'b'",
  '!has(self.size) || self.size == oldSelf.size',
  'self == null || self == oldSelf',
];
const BAD = [
  'self.nope == 1',
  'has(self.nope)',
  'self.size ==',
  'self.size',
  "self.size == 'a'",
  'self.size + 1.5 > 2.0',
  "self.size in [1, 'a']",
  'self.name == null',
  'self.tags.all(t, t > 1)',
  'nope(self.name)',
  'self.metadata.name == "a"',
];
const BAD_FIELDS = [
  { messageExpression: '1' },
  { reason: 'Whim' },
  { fieldPath: '.nope' },
  { fieldPath: 'name' },
  { optionalOldSelf: true },
];

/** What decides about objects in the second part. */
const RULES = [
  { rule: 'self.size < 3' },
  { rule: "self.name != 'x'", message: 'no x', fieldPath: '.name', reason: 'FieldValueForbidden' },
  { rule: "!has(self.tags) || self.tags[0] == 'a'" },
  { rule: 'self.size / self.size == 1', message: 'div' },
  { rule: "self.name != 'long'", messageExpression: "self.name + ' is taken'", reason: 'FieldValueRequired' },
  { rule: 'self.size == oldSelf.size', message: 'fixed' },
];
const OBJECTS = [
  { size: 1, name: 'a' },
  { size: 5, name: 'x' },
  { size: 0, name: 'a' },
  { name: 'a' },
  { size: 2, name: 'a', tags: ['b'] },
  { size: 2, name: 'long', tags: ['a'] },
];

if (missing !== undefined) {
  test.skip(`rules in CEL beside a kube-apiserver (${missing})`, () => {});
} else {
  describe('the embedded API server and kube-apiserver', () => {
    let kubernetes: KubernetesServer;
    let embedded: Awaited<ReturnType<typeof startApiServer>>;
    let both: Ask[];
    beforeAll(async () => {
      kubernetes = await startKubernetes();
      const silent = () => undefined;
      const log: ServerLog = { info: silent, warn: silent, error: (fields, text) => console.error(text, fields) };
      embedded = await startApiServer({
        storePath: ':memory:',
        listen: [{ host: '127.0.0.1', port: 0 }],
        tokens: [{ token: TOKEN, user: 'tests' }],
        clock: systemClock,
        log,
      });
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
      const ask: Ask = (method, path, body) =>
        fetch(`${embedded.urls[0]}${path}`, {
          method,
          headers,
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
      both = [kubernetes.request, ask];
    }, BUILD_MS);
    afterAll(async () => {
      await embedded.stop();
      await kubernetes.stop();
    });

    const codes = (method: string, path: string, body: object): Promise<number[]> =>
      Promise.all(both.map(async ask => (await ask(method, path, body)).status));
    /** What each says of its body. */
    const answers = (method: string, path: string, bodies: readonly object[]): Promise<string[]> =>
      Promise.all(
        both.map(async (ask, i) => {
          const answer = (await (await ask(method, path, bodies[i])).json()) as { message?: string };
          return answer.message ?? 'taken';
        }),
      );

    test.each(GOOD)('take the rule %s', async rule => {
      expect(await codes('POST', `${DEFINITIONS}?dryRun=All`, definition([{ rule }]))).toEqual([201, 201]);
    });
    test.each(BAD)('refuse the rule %s', async rule => {
      expect(await codes('POST', `${DEFINITIONS}?dryRun=All`, definition([{ rule }]))).toEqual([422, 422]);
    });
    test.each(BAD_FIELDS)('refuse a rule with %j', async fields => {
      const body = definition([{ rule: 'true', ...fields }]);
      expect(await codes('POST', `${DEFINITIONS}?dryRun=All`, body)).toEqual([422, 422]);
    });

    test('say the same of objects, word by word', async () => {
      expect(await codes('POST', DEFINITIONS, definition(RULES))).toEqual([201, 201]);
      await kubernetes.until(async () => (await kubernetes.request('GET', WIDGETS)).ok);
      const widget = (spec: object) => ({
        apiVersion: 'example.com/v1',
        kind: 'Widget',
        metadata: { name: 'w' },
        spec,
      });
      for (const spec of OBJECTS) {
        const body = widget(spec);
        const [theirs, ours] = await answers('POST', `${WIDGETS}?dryRun=All`, [body, body]);
        expect({ spec, said: ours }).toEqual({ spec, said: theirs });
      }
      expect(await codes('POST', WIDGETS, widget({ size: 1, name: 'a' }))).toEqual([201, 201]);
      for (const spec of [
        { size: 2, name: 'a' },
        { size: 1, name: 'x' },
        { size: 1, name: 'b' },
      ]) {
        const stored = await Promise.all(
          both.map(async ask => (await (await ask('GET', `${WIDGETS}/w`)).json()) as object),
        );
        const [theirs, ours] = await answers(
          'PUT',
          `${WIDGETS}/w?dryRun=All`,
          stored.map(now => ({ ...now, spec })),
        );
        expect({ spec, said: ours }).toEqual({ spec, said: theirs });
      }
    });
  });
}
