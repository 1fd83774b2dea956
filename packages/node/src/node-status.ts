import type { CalicoNodeStatus } from '@calico/api';
import type { BgpSessionState, BirdRoute, BirdStatus } from '@calico/bird';
import { type Family, parseAddr, parseCidr } from '@calico/ip';

type Status = NonNullable<CalicoNodeStatus['status']>;
type Bird = NonNullable<NonNullable<Status['agent']>['birdV4']>;
type Bgp = NonNullable<Status['bgp']>;
type Peer = NonNullable<Bgp['peersV4']>[number];
type Route = NonNullable<NonNullable<Status['routes']>['routesV4']>[number];

/** What BIRD says; undefined where nobody answers at its socket. */
export type BirdAnswer =
  | {
      readonly status: BirdStatus;
      readonly sessions: readonly BgpSessionState[];
      readonly routes: readonly BirdRoute[];
    }
  | undefined;

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
    ...(classes.includes('Routes') && answer !== undefined
      ? { routes: { routesV4: routesOf(answer, 4), routesV6: routesOf(answer, 6) } }
      : {}),
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

/** Where a protocol's routes come from, by the start of its name. */
const sources: readonly { readonly start: string; readonly sourceType: Source }[] = [
  { start: 'kernel', sourceType: 'Kernel' },
  { start: 'static', sourceType: 'Static' },
  { start: 'direct', sourceType: 'Direct' },
  { start: 'Mesh_', sourceType: 'NodeMesh' },
  { start: 'Node_', sourceType: 'BGPPeer' },
  { start: 'Global_', sourceType: 'BGPPeer' },
];

type Source = NonNullable<NonNullable<Route['learnedFrom']>['sourceType']>;

/** Routes that neither Calico's protocols nor BIRD's own told are left out. */
function routesOf({ routes, sessions }: NonNullable<BirdAnswer>, family: Family): Route[] {
  return routes.flatMap(({ destination, kind, from, primary, nexthops }) => {
    const sourceType = sources.find(({ start }) => from.startsWith(start))?.sourceType;
    if (sourceType === undefined || parseCidr(destination)?.addr.family !== family) return [];
    const peerIP = sessions.find(({ name }) => name === from)?.neighbourAddress;
    const [hop] = nexthops;
    return [
      {
        type: primary ? 'FIB' : 'RIB',
        destination,
        gateway: hop?.gateway ?? 'N/A',
        interface: hop?.interfaceName ?? kind,
        learnedFrom: { sourceType, ...(peerIP === undefined ? {} : { peerIP }) },
      } satisfies Route,
    ];
  });
}
