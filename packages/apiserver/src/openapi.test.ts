/** OpenAPI documents of every served kind, by themselves and as kubectl reads them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { kinds, openApiName } from '@calico/api';
import { CustomResourceDefinition } from './custom-resources/definition-kind.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { type KubectlServer, kubectlTest, startKubectlServer } from './testing-kubectl.ts';

const served = [...kinds.filter(kind => kind.served), CustomResourceDefinition];
let server: KubectlServer;
beforeAll(async () => {
  server = await startKubectlServer();
});
afterAll(() => server.stop());

const pathOf = (kind: { group: string; version: string }): string =>
  kind.group === '' ? `api/${kind.version}` : `apis/${kind.group}/${kind.version}`;

/** Every path below a schema at which something is missing that OpenAPI clients need. */
function faults(schema: unknown, at: string): string[] {
  if (!isJsonObject(schema)) return [`${at} is no schema`];
  const found: string[] = [];
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true || schema['x-kubernetes-int-or-string'] === true;
  if (schema.type === undefined && schema.$ref === undefined && !open) found.push(`${at} has no type`);
  for (const key of Object.keys(schema))
    if (key.startsWith('x-calico') || key.startsWith('~')) found.push(`${at} shows ${key}`);
  if (schema.type === 'array') found.push(...faults(schema.items, `${at}[]`));
  if (schema.additionalProperties !== undefined) found.push(...faults(schema.additionalProperties, `${at}.*`));
  for (const [name, inner] of Object.entries(isJsonObject(schema.properties) ? schema.properties : {})) {
    found.push(...faults(inner, `${at}.${name}`));
  }
  return found;
}

async function schemasOf(kind: { group: string; version: string }): Promise<JsonObject> {
  const { body } = await server.call('GET', `/openapi/v3/${pathOf(kind)}`);
  const components = isJsonObject(body) ? body.components : undefined;
  return isJsonObject(components) && isJsonObject(components.schemas) ? components.schemas : {};
}

describe('OpenAPI v3', () => {
  test.each(served.map(kind => [`${kind.apiVersion} ${kind.kind}`, kind] as const))(
    'describes %s and its list completely',
    async (_, kind) => {
      const schemas = await schemasOf(kind);
      const name = openApiName(kind);
      expect(faults(schemas[name], kind.kind)).toEqual([]);
      expect(faults(schemas[`${name}List`], kind.listKind)).toEqual([]);
      expect(schemas[name]).toMatchObject({
        'x-kubernetes-group-version-kind': [{ group: kind.group, version: kind.version, kind: kind.kind }],
      });
    },
  );
});

kubectlTest(
  'kubectl explains every served kind, and reads its document raw',
  async () => {
    const plurals = served.map(kind => (kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`));
    for (let i = 0; i < served.length; i += 6) {
      await Promise.all(
        served.slice(i, i + 6).map(async (kind, j) => {
          const text = await server.kubectl(`explain ${plurals[i + j]}`);
          expect(text).toContain(`KIND:       ${kind.kind}\n`);
          expect(text).toContain(`VERSION:    ${kind.version}\n`);
          expect(text).toMatch(/\n {2}apiVersion\t<string>\n/);
        }),
      );
    }
    const documents = new Set(served.map(pathOf));
    for (const path of documents) {
      expect(JSON.parse(await server.kubectl(`get --raw /openapi/v3/${path}`)).openapi).toBe('3.0.0');
    }
    const index = JSON.parse(await server.kubectl('get --raw /openapi/v3'));
    expect(Object.keys(index.paths).toSorted()).toEqual([...documents].toSorted());
  },
  60_000,
);

kubectlTest(
  'kubectl explains the fields of a kind recursively',
  async () => {
    expect(await server.kubectl('explain pod --recursive')).toContain('containerPort\t<integer>');
    expect(await server.kubectl('explain networkpolicies.projectcalico.org.spec.ingress.source')).toContain(
      'nets\t<[]string>',
    );
    expect(await server.kubectl('explain deployment.spec.strategy.rollingUpdate.maxSurge')).toContain('maxSurge');
  },
  30_000,
);

kubectlTest(
  'kubectl says of a kind that is not served that there is none',
  async () => {
    const text = 'apiVersion: example.io/v1\nkind: Foo\nmetadata: {name: a}\nspec: {x: 1}\n';
    for (const command of ['apply', 'apply --server-side', 'create', 'replace']) {
      const said = await server.kubectl(`${command} -f -`, text, 1);
      expect(said).toContain('no matches for kind "Foo" in version "example.io/v1"');
    }
  },
  30_000,
);
