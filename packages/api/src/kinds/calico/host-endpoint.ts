import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, formatted, integer, intOrString, lazy, list, object, set, text } from '../../schema/build.ts';
import { always, filled } from './cel.ts';
import { hostEndpointRules } from './endpoint-rules.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const spec = lazy(() =>
  object(
    {},
    {
      node: text({ maxLength: 253, description: 'The node that the interface is on.' }),
      interfaceName: formatted('interface', {
        maxLength: 15,
        description: 'The interface, or "*" for all of the node.',
      }),
      expectedIPs: set(formatted('ip'), {
        description: 'Addresses of the interface: they find it when it is not named.',
      }),
      profiles: set(text(), { description: 'Profiles, looked at in order after all policies.' }),
      ports: list(
        object({
          name: text({ minLength: 1 }),
          protocol: intOrString({ 'x-calico-format': 'protocol' }),
          port: integer({ minimum: 1, maximum: 65535 }),
        }),
        { description: 'Ports that rules can name.' },
      ),
    },
    cel(
      always(filled('node'), 'node must be given'),
      always(`${filled('interfaceName')} || ${filled('expectedIPs')}`, 'interfaceName or expectedIPs must be given'),
    ),
  ),
);

export type HostEndpointSpec = Static<ReturnType<typeof spec>>;
export type HostEndpoint = Resource<HostEndpointSpec>;

const name = heading<HostEndpoint>('NAME', e => e.metadata.name);
const node = heading<HostEndpoint>('NODE', e => e.spec.node ?? '');

/** An interface of a node itself, as policies protect it. */
export const HostEndpoint: Kind<HostEndpoint> = defineKind<HostEndpoint>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'HostEndpoint',
  plural: 'hostendpoints',
  shortNames: ['hep', 'heps'],
  aliases: ['hep', 'heps'],
  namespaced: false,
  description: 'An interface of a node itself, as policies protect it.',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('Node', 'string', '.spec.node', 'The node that the interface is on'),
    fieldColumn('Interface', 'string', '.spec.interfaceName', 'The name of the interface'),
  ],
  calicoctl: {
    narrow: [name, node],
    wide: [
      name,
      node,
      heading('INTERFACE', e => e.spec.interfaceName ?? ''),
      heading('IPS', e => (e.spec.expectedIPs ?? []).join(',')),
      heading('PROFILES', e => (e.spec.profiles ?? []).join(',')),
    ],
  },
  rules: hostEndpointRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'HostEndpoint',
    metadata: { name: 'node-1-eth0', labels: { role: 'node' } },
    spec: { node: 'node-1', interfaceName: 'eth0', expectedIPs: ['192.0.2.11'] },
  }),
});
