import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { integer, lazy, list, nullable, object, oneOf, set, text, time } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const spec = lazy(() =>
  object(
    {},
    {
      node: text({ description: 'The node that is looked at.' }),
      classes: set(oneOf(['Agent', 'BGP', 'Routes']), { description: 'What is reported.' }),
      updatePeriodSeconds: integer({
        format: 'int32',
        description: 'How often the report is renewed: 0 to 86400 seconds, 0 is never.',
      }),
    },
  ),
);

const bird = (description: string) =>
  object(
    {},
    {
      state: oneOf(['Ready', 'NotReady'], { description: 'Whether it answers.' }),
      version: text({ description: 'Its version.' }),
      routerID: text({ description: 'The address that stands for it.' }),
      lastBootTime: text({ description: 'When it started.' }),
      lastReconfigurationTime: text({ description: 'When its configuration changed last.' }),
    },
    { description },
  );

const peers = (description: string) =>
  list(
    object(
      {},
      {
        peerIP: text({ description: 'Address of the peer.' }),
        type: oneOf(['NodeMesh', 'NodePeer', 'GlobalPeer'], { description: 'Why there is this session.' }),
        state: oneOf(['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established', 'Close'], {
          description: 'How far the session is.',
        }),
        since: text({ description: 'When that state began.' }),
      },
    ),
    { description },
  );

const routes = (description: string) =>
  list(
    object(
      {},
      {
        type: oneOf(['FIB', 'RIB'], { description: 'Whether it is in the kernel or only known to BIRD.' }),
        destination: text({ description: 'Where it leads.' }),
        gateway: text({ description: 'The next hop.' }),
        interface: text({ description: 'The interface.' }),
        learnedFrom: object(
          {},
          {
            sourceType: oneOf(['Kernel', 'Static', 'Direct', 'NodeMesh', 'BGPPeer'], { description: 'What told it.' }),
            peerIP: text({ description: 'The peer that told it.' }),
          },
        ),
      },
    ),
    { description },
  );

const status = lazy(() =>
  object(
    {},
    {
      lastUpdated: nullable(time({ description: 'When the report was renewed.' })),
      agent: object({}, { birdV4: bird('BIRD for IPv4.'), birdV6: bird('BIRD for IPv6.') }),
      bgp: object(
        {
          numberEstablishedV4: integer({ description: 'IPv4 sessions that are up.' }),
          numberNotEstablishedV4: integer({ description: 'IPv4 sessions that are not.' }),
          numberEstablishedV6: integer({ description: 'IPv6 sessions that are up.' }),
          numberNotEstablishedV6: integer({ description: 'IPv6 sessions that are not.' }),
        },
        { peersV4: peers('IPv4 sessions.'), peersV6: peers('IPv6 sessions.') },
      ),
      routes: object({}, { routesV4: routes('IPv4 routes.'), routesV6: routes('IPv6 routes.') }),
    },
  ),
);

export type CalicoNodeStatusSpec = Static<ReturnType<typeof spec>>;
export type CalicoNodeStatusStatus = Static<ReturnType<typeof status>>;
export type CalicoNodeStatus = Resource<CalicoNodeStatusSpec, CalicoNodeStatusStatus>;

const UPDATE_PERIOD_LIMIT = 86_400;

function nodeStatusRules(
  { spec: { node, classes, updatePeriodSeconds } }: CalicoNodeStatus,
  errors: FieldErrors,
): void {
  if ((node ?? '') === '') errors.required('spec.node', 'the name of a node');
  if ((classes ?? []).length === 0) errors.required('spec.classes', 'at least one of Agent, BGP, Routes');
  if (updatePeriodSeconds !== undefined && (updatePeriodSeconds < 0 || updatePeriodSeconds > UPDATE_PERIOD_LIMIT)) {
    errors.invalid('spec.updatePeriodSeconds', updatePeriodSeconds, `must be from 0 to ${UPDATE_PERIOD_LIMIT}`);
  }
}

const name = heading<CalicoNodeStatus>('NAME', report => report.metadata.name);
const node = heading<CalicoNodeStatus>('NODE', report => report.spec.node ?? '');

/** A report that one node keeps up to date about itself. */
export const CalicoNodeStatus: Kind<CalicoNodeStatus> = defineKind<CalicoNodeStatus>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'CalicoNodeStatus',
  plural: 'caliconodestatuses',
  aliases: ['caliconodestatus', 'nodestatus', 'nodestatuses'],
  namespaced: false,
  description: 'A report that one node keeps up to date about itself: its agent, BGP sessions and routes.',
  spec,
  status,
  columns: [
    nameColumn(),
    fieldColumn('Node', 'string', '.spec.node', 'The node that is looked at'),
    fieldColumn('Classes', 'string', '.spec.classes', 'What is reported'),
  ],
  calicoctl: { narrow: [name, node], wide: [name, node, heading('CLASSES', r => (r.spec.classes ?? []).join(','))] },
  rules: nodeStatusRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'CalicoNodeStatus',
    metadata: { name: 'node-1' },
    spec: { node: 'node-1', classes: ['Agent', 'BGP', 'Routes'], updatePeriodSeconds: 10 },
  }),
});
