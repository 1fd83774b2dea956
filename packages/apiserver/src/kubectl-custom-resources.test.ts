/** CustomResourceDefinitions with the real kubectl. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { type KubectlServer, kubectlTest, startKubectlServer, table } from './testing-kubectl.ts';

let server: KubectlServer;
beforeAll(async () => {
  server = await startKubectlServer();
});
afterAll(() => server.stop());

const kubectl = (command: string, stdin = '', code = 0) => server.kubectl(command, stdin, code);

const definition = (more = '') => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 9, description: How big it is.}
              colour: {type: string, enum: [red, blue], default: red}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, weight: {type: integer}}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
${more}          status:
            type: object
            properties:
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
  - name: v2
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

const widget = (spec: string) => `
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: default}
spec: {${spec}}
`;

kubectlTest(
  'a definition is established, listed and explained as soon as it is made',
  async () => {
    await kubectl('create -f -', definition());
    expect(await kubectl('wait --for=condition=Established crd/widgets.example.com --timeout=5s')).toContain(
      'condition met',
    );
    expect(await kubectl('api-resources')).toMatch(/widgets\s+wd\s+example.com\/v1\s+true\s+Widget/);
    expect(await kubectl('explain widget.spec.size')).toContain('How big it is.');
    expect(table(await kubectl('get crd'))).toEqual([
      'NAME | CREATED AT',
      'widgets.example.com | 2026-01-01T00:00:00Z',
    ]);
  },
  20_000,
);

kubectlTest(
  'objects are defaulted, validated, pruned and printed by their definition',
  async () => {
    await kubectl('apply -f -', widget('size: 3, free: {any: {thing: 1}}'));
    expect(JSON.parse(await kubectl('get wd w -o json')).spec).toEqual({
      size: 3,
      colour: 'red',
      free: { any: { thing: 1 } },
    });
    expect(await kubectl('apply -f -', widget('size: 12, colour: green'), 1)).toContain(
      '* spec.size: Invalid value: 12: must be at most 9\n* spec.colour: Unsupported value: "green": supported values: "red", "blue"',
    );
    expect(await kubectl('apply -f -', widget('size: 1, odd: 1'), 1)).toContain('unknown field "spec.odd"');
    expect(await kubectl('apply --validate=ignore -f -', widget('size: 4, odd: 1'))).toBe(
      'widget.example.com/w configured\n',
    );
    expect(await kubectl('get wd w -o json')).not.toContain('"odd": 1');
    const path = '/apis/example.com/v1/namespaces/default/widgets/w/status';
    await server.call('PATCH', path, {
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
      spec: { size: 9 },
    });
    expect(table(await kubectl('get widgets'))).toEqual(['NAME | SIZE | READY | AGE', 'w | 4 | True | 0s']);
    expect(await kubectl('get widgets.v2.example.com w -o yaml')).toStartWith('apiVersion: example.com/v2\n');
  },
  20_000,
);

kubectlTest(
  'server-side apply merges lists by the keys of the definition',
  async () => {
    await kubectl('apply --server-side --field-manager=a -f -', widget('size: 4, parts: [{name: a, weight: 1}]'), 0);
    await kubectl('apply --server-side --field-manager=b -f -', widget('parts: [{name: b, weight: 2}]'), 0);
    expect(await kubectl(`get wd w -o jsonpath='{.spec.parts[*].name}'`)).toBe('a b');
    await kubectl('apply --server-side --field-manager=a -f -', widget('size: 4'), 0);
    expect(await kubectl(`get wd w -o jsonpath='{.spec.parts[*].name}'`)).toBe('b');
  },
  20_000,
);

kubectlTest(
  'a definition changes what is served, tells what it cannot do, and takes its objects along',
  async () => {
    const rule = (text: string) => `            x-kubernetes-validations: [{rule: "${text}", message: too heavy}]\n`;
    const lacking = "quantity('1').isInteger()";
    expect(await kubectl('replace -f -', definition(rule(lacking)))).toContain('the rule is kept, and not evaluated');
    expect(await kubectl('replace -f -', definition(rule('self.volume > 0')), 1)).toContain(
      'x-kubernetes-validations[0].rule: Invalid value: "self.volume > 0": compilation failed',
    );
    expect(await kubectl('replace -f -', definition(rule('self.size < 8')))).not.toContain('Warning');
    expect(await kubectl('create -f -', widget('size: 8').replace('name: w', 'name: heavy'), 1)).toContain(
      'spec: Invalid value: "object": too heavy',
    );
    expect(
      await kubectl(
        'apply -f -',
        definition().replace('type: object\n        required', 'type: array\n        required'),
        1,
      ),
    ).toContain('must be "object" at the root');
    const calico = definition().replaceAll('example.com', 'crd.projectcalico.org');
    expect(await kubectl('create -f -', calico, 1)).toContain("this server serves Calico's kinds itself");
    await kubectl('delete crd widgets.example.com --timeout=10s');
    expect(await kubectl('get widgets', '', 1)).toContain('could not find the requested resource');
    await kubectl('create -f -', definition());
    expect(await kubectl('get widgets')).toContain('No resources found');
  },
  20_000,
);
