import type { CalicoNodeStatus } from '@calico/api';
import type { BgpSessionState, BirdStatus } from '@calico/bird';
import { type Family, parseAddr } from '@calico/ip';

type Status = NonNullable<CalicoNodeStatus['status']>;
type Bird = NonNullable<NonNullable<Status['agent']>['birdV4']>;
type Bgp = NonNullable<Status['bgp']>;
type Peer = NonNullable<Bgp['peersV4']>[number];

/** What BIRD says; undefined where nobody answers at its socket. */
export type BirdAnswer = { readonly status: BirdStatus; readonly sessions: readonly BgpSessionState[] } | undefined;

const peerTypes: Readonly<Record<string, NonNullable<Peer['type']>>> = {
  Mesh: 'NodeMesh',
  Node: 'NodePeer',
  Global: 'GlobalPeer',
};
const states: readonly string[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established', 'Close'];

/** The parts of a node's status that are asked for, from what BIRD says. One BIRD does both families. Pure. */
export function nodeStatus(classes: readonly string[], answer: BirdAnswer): Omit<Status, 'lastUpdated'> {
  return {
    ...(classes.includes('Agent') ? { agent: { birdV4: birdOf(answer), birdV6: birdOf(answer) } } : {}),
    ...(classes.includes('BGP') ? { bgp: bgpOf(answer?.sessions ?? []) } : {}),
  };
}

function birdOf(answer: BirdAnswer): Bird {
  if (answer === undefined) return { state: 'NotReady' };
  const { version, routerId, lastReboot, lastReconfiguration } = answer.status;
  return {
    state: 'Ready',
    version,
    routerID: routerId,
    lastBootTime: lastReboot,
    lastReconfigurationTime: lastReconfiguration,
  };
}

function bgpOf(sessions: readonly BgpSessionState[]): Bgp {
  const four = peersOf(sessions, 4);
  const six = peersOf(sessions, 6);
  const established = (peers: readonly Peer[]) => peers.filter(({ state }) => state === 'Established').length;
  return {
    numberEstablishedV4: established(four),
    numberNotEstablishedV4: four.length - established(four),
    numberEstablishedV6: established(six),
    numberNotEstablishedV6: six.length - established(six),
    peersV4: four,
    peersV6: six,
  };
}

/** Sessions that Calico did not configure for a peer are left out. */
function peersOf(sessions: readonly BgpSessionState[], family: Family): Peer[] {
  return sessions.flatMap(({ name, neighbourAddress, bgpState, since }) => {
    const type = peerTypes[/^([A-Z][a-z]+)_/.exec(name)?.[1] ?? ''];
    const address = parseAddr(neighbourAddress.replace(/%.*/, ''));
    if (type === undefined || address?.family !== family) return [];
    const state = states.includes(bgpState) ? (bgpState as NonNullable<Peer['state']>) : 'Idle';
    return [{ peerIP: neighbourAddress, type, state, since }];
  });
}
