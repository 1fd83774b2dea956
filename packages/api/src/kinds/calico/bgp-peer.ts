import type { Static } from 'typebox';
import { fieldColumn, heading, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { cel, flag, formatted, integer, lazy, list, object, oneOf, text } from '../../schema/build.ts';
import { bgpPeerRules } from './bgp-peer-rules.ts';
import { always, filled, never, on } from './cel.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';
import { asNumber, duration, numberAsNumbers, secretKeyRef } from './values.ts';

const AS_NUMBER = '(has(self.asNumber) && self.asNumber != 0)';

const spec = lazy(() =>
  object(
    {},
    {
      node: text({ maxLength: 253, description: 'The one node that peers; without node and nodeSelector all do.' }),
      nodeSelector: formatted('selector', { maxLength: 1024, description: 'The nodes that peer.' }),
      peerIP: text({ maxLength: 64, description: 'Address of the peer, "address:port" or "[address]:port".' }),
      peerSelector: formatted('selector', { maxLength: 1024, description: 'The nodes that are the peers.' }),
      asNumber: asNumber('AS number of the peer.'),
      localASNumber: asNumber('AS number that we use with this peer.'),
      keepOriginalNextHop: flag({ description: 'Old spelling of nextHopMode Keep.' }),
      nextHopMode: oneOf(['Auto', 'Self', 'Keep'], { description: 'What stands as next hop in routes to the peer.' }),
      password: secretKeyRef('The password of the session.'),
      sourceAddress: oneOf(['UseNodeIP', 'None'], { description: 'Where sessions come from; UseNodeIP if not given.' }),
      maxRestartTime: duration('How long routes stay while the peer restarts.'),
      keepaliveTime: duration('How often a sign of life is sent.'),
      numAllowedLocalASNumbers: integer({ format: 'int32', description: 'How often our own AS may stand in a path.' }),
      ttlSecurity: integer({ minimum: 0, maximum: 255, description: 'Hops to the peer; checked by TTL.' }),
      reachableBy: text({ maxLength: 64, description: 'The gateway to the peer.' }),
      filters: list(text(), { description: 'Names of BGPFilters, in order.' }),
      localWorkloadSelector: formatted('selector', {
        maxLength: 1024,
        description: 'Workloads of the node that are the peers.',
      }),
      reversePeering: oneOf(['Auto', 'Manual'], {
        description: 'Whether the peers peer back by themselves; Auto if not given.',
      }),
    },
    cel(
      never(`${filled('node')} && ${filled('nodeSelector')}`, 'node and nodeSelector cannot both be given'),
      never(`${filled('peerIP')} && ${filled('peerSelector')}`, 'peerIP and peerSelector cannot both be given'),
      never(`${filled('peerSelector')} && ${AS_NUMBER}`, 'asNumber cannot be given with peerSelector'),
      ...['peerIP', 'peerSelector'].map(field =>
        never(
          `${filled('localWorkloadSelector')} && ${filled(field)}`,
          `${field} cannot be given with localWorkloadSelector`,
        ),
      ),
      always(
        `!${filled('localWorkloadSelector')} || ${AS_NUMBER}`,
        'asNumber must be given with localWorkloadSelector',
      ),
      always(`!${filled('reachableBy')} || ${filled('peerIP')}`, 'reachableBy needs peerIP', 'FieldValueForbidden'),
      never(
        `${on('keepOriginalNextHop')} && has(self.nextHopMode)`,
        'nextHopMode replaces keepOriginalNextHop; give only one',
      ),
    ),
  ),
);

export type BGPPeerSpec = Static<ReturnType<typeof spec>>;
export type BGPPeer = Resource<BGPPeerSpec>;

const narrow = [
  heading<BGPPeer>('NAME', peer => peer.metadata.name),
  heading<BGPPeer>('PEERIP', peer => peer.spec.peerIP ?? ''),
  heading<BGPPeer>('NODE', peer => peer.spec.node || peer.spec.nodeSelector || '(global)'),
  heading<BGPPeer>('ASN', peer => String(peer.spec.asNumber ?? 0)),
];

/** Who peers with whom over BGP, besides the mesh of nodes. */
export const BGPPeer: Kind<BGPPeer> = defineKind<BGPPeer>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'BGPPeer',
  plural: 'bgppeers',
  aliases: ['bgpp', 'bgpps', 'bp'],
  namespaced: false,
  description: 'Who peers with whom over BGP, besides the mesh of nodes.',
  spec,
  columns: [
    nameColumn(),
    fieldColumn('Node Selector', 'string', '.spec.nodeSelector', 'The nodes that peer'),
    fieldColumn('Node', 'string', '.spec.node', 'The one node that peers'),
    fieldColumn('Local ASN', 'string', '.spec.localASNumber', 'The AS number that we use with this peer'),
    fieldColumn('Peer Selector', 'string', '.spec.peerSelector', 'The nodes that are the peers'),
    fieldColumn('Peer IP', 'string', '.spec.peerIP', 'Address of the peer'),
    fieldColumn('Peer ASN', 'string', '.spec.asNumber', 'AS number of the peer'),
  ],
  calicoctl: { narrow, wide: narrow },
  defaults: peer => {
    numberAsNumbers(peer.spec, ['asNumber', 'localASNumber']);
    return peer;
  },
  rules: bgpPeerRules,
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'BGPPeer',
    metadata: { name: 'rack-1' },
    spec: { nodeSelector: "rack == '1'", peerIP: '192.0.2.1', asNumber: 64600 },
  }),
});
