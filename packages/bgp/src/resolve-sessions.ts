import { type BGPPeer, type BGPPeerSpec, parsePeerAddress } from '@calico/api';
import { type Family, parseAddr, printAddr } from '@calico/ip';
import { parseSelector } from '@calico/selector';
import { type BgpNode, type ClusterView, FAMILIES } from './cluster-view.ts';
import { durationSeconds } from './duration.ts';
import { type Session, type SessionKind, sessionName } from './session.ts';

/** Gives the password at a key of a Secret in Calico's namespace; undefined while it is not known. */
export type PasswordLookup = (secret: string, key: string) => string | undefined;

export interface ResolvedSessions {
  /** By name; one per neighbour's address and port. */
  readonly sessions: readonly Session[];
  /** What was asked for and cannot be had, one sentence each. */
  readonly problems: readonly string[];
}

/** The other end of a session. */
interface Remote {
  readonly address: string;
  readonly family: Family;
  readonly as: number;
  readonly port: number | undefined;
  /** The port that the BGPPeer itself names. */
  readonly explicitPort?: number;
  /** Absent: a router that is no node of the cluster. */
  readonly node?: BgpNode;
}

const BGP_PORT = 179;
/** The most that a restart time's 12 bits hold. RFC 4724 §3 */
const LONGEST_RESTART = 4095;
/** A third of the longest hold time, which is 16 bits. RFC 4271 §4.2 */
const LONGEST_KEEPALIVE = 21845;

/**
 * All sessions that this node must have. BGPPeers of all nodes come first, then those of this node, then what the nodes
 * of other BGPPeers need in return, then the mesh; of two with the same neighbour's address and port the first counts.
 * Calico: BGP peer and BGP configuration resources.
 */
export function resolveSessions(view: ClusterView, password: PasswordLookup): ResolvedSessions {
  const resolver = new Resolver(view, password);
  const usable = view.peers.filter(peer => resolver.isUsable(peer));
  const global = usable.filter(({ spec }) => isGlobal(spec));
  const others = usable.filter(({ spec }) => !isGlobal(spec));
  for (const peer of global) resolver.addPeer('global', peer);
  for (const peer of others) if (isLocalSide(peer.spec, view.own)) resolver.addPeer('node', peer);
  for (const peer of [...global, ...others]) resolver.addReverse(peer);
  resolver.addMesh();
  const sessions = [...resolver.sessions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { sessions, problems: resolver.problems };
}

class Resolver {
  readonly sessions = new Map<string, Session>();
  readonly problems: string[] = [];
  readonly #view: ClusterView;
  readonly #password: PasswordLookup;

  constructor(view: ClusterView, password: PasswordLookup) {
    this.#view = view;
    this.#password = password;
  }

  /** Refuses as a whole what would come up with less protection than was asked for. */
  isUsable({ metadata, spec }: BGPPeer): boolean {
    for (const field of ['filters', 'localWorkloadSelector'] as const) {
      const value = spec[field];
      if (value === undefined || value.length === 0) continue;
      this.problems.push(
        `Cannot peer as BGPPeer "${metadata.name}" says: ${field} is ${JSON.stringify(value)}; allowed: none`,
      );
      return false;
    }
    return true;
  }

  addPeer(kind: 'global' | 'node', peer: BGPPeer): void {
    const { own } = this.#view;
    for (const remote of this.#remotes(peer.spec)) {
      const source = own.addresses[remote.family];
      if (source === undefined || source === remote.address) continue;
      const passive = kind === 'global' && remote.node !== undefined && remote.address > source;
      const { reachableBy, numAllowedLocalASNumbers } = peer.spec;
      const gateway = parseAddr(reachableBy ?? '');
      this.#add(kind, peer, remote, peer.spec.peerIP ? peer.spec.localASNumber || own.as : own.as, {
        passive,
        ...(numAllowedLocalASNumbers ? { allowedLocalAs: numAllowedLocalASNumbers } : {}),
        ...(gateway?.family === remote.family ? { reachableBy: printAddr(gateway) } : {}),
      });
    }
  }

  /** Where this node is the remote side of a BGPPeer, it peers back with each node of the local side. */
  addReverse(peer: BGPPeer): void {
    const { own, nodes } = this.#view;
    const { spec } = peer;
    if (spec.reversePeering === 'Manual') return;
    const families = this.#remotes(spec).filter(({ node }) => node === own);
    if (families.length === 0) return;
    for (const node of nodes) {
      if (node === own || !(isGlobal(spec) || isLocalSide(spec, node))) continue;
      for (const { family } of families) {
        const address = node.addresses[family];
        if (address === undefined) continue;
        const as = spec.peerIP ? spec.localASNumber || node.as : node.as;
        this.#add('node', peer, { address, family, as, port: node.port, node }, own.as, { passive: false });
      }
    }
  }

  addMesh(): void {
    const { own, nodes, config } = this.#view;
    if (config.nodeToNodeMeshEnabled === false || own.clusterId !== undefined) return;
    const spec: BGPPeerSpec = {
      ...(config.nodeMeshPassword ? { password: config.nodeMeshPassword } : {}),
      ...(config.nodeMeshMaxRestartTime ? { maxRestartTime: config.nodeMeshMaxRestartTime } : {}),
    };
    const mesh: BGPPeer = { apiVersion: '', kind: 'BGPPeer', metadata: { name: 'node-to-node mesh' }, spec };
    for (const node of nodes) {
      if (node === own || node.clusterId !== undefined) continue;
      for (const family of FAMILIES) {
        const address = node.addresses[family];
        const source = own.addresses[family];
        if (address === undefined || source === undefined || address === source) continue;
        const remote = { address, family, as: node.as, port: node.port, node };
        this.#add('mesh', mesh, remote, own.as, { passive: address > source });
      }
    }
  }

  #remotes(spec: BGPPeerSpec): Remote[] {
    const { nodes, clusterAs } = this.#view;
    if (spec.peerSelector) {
      return nodes
        .filter(node => matches(spec.peerSelector, node))
        .flatMap(node =>
          FAMILIES.flatMap(family => {
            const address = node.addresses[family];
            return address === undefined ? [] : { address, family, as: node.as, port: node.port, node };
          }),
        );
    }
    const peer = parsePeerAddress(spec.peerIP ?? '');
    if (peer === undefined) return [];
    const { family } = peer.addr;
    const address = printAddr(peer.addr);
    const as = spec.asNumber || clusterAs;
    const node = nodes.find(n => n.addresses[family] === address && n.as === as);
    const explicit = peer.port === undefined ? {} : { explicitPort: peer.port };
    return [{ address, family, as, port: peer.port ?? node?.port, ...explicit, ...(node ? { node } : {}) }];
  }

  #add(
    kind: SessionKind,
    { metadata, spec }: BGPPeer,
    remote: Remote,
    localAs: number,
    rest: Pick<Session, 'passive' | 'allowedLocalAs' | 'reachableBy'>,
  ): void {
    const key = `${remote.address} ${remote.port ?? BGP_PORT}`;
    if (this.sessions.has(key)) return;
    const password = this.#passwordOf(metadata.name, spec);
    if (password === 'unknown') return;
    const { own, config } = this.#view;
    const source = own.addresses[remote.family];
    // Who listens on the node's address only cannot leave it to the kernel.
    const anySource = spec.sourceAddress === 'None' && config.bindMode !== 'NodeIP';
    const internal = remote.as === localAs;
    const reflects = internal && own.clusterId !== undefined && remote.node?.clusterId !== own.clusterId;
    const maxRestartTime = durationSeconds(spec.maxRestartTime);
    const keepaliveTime = durationSeconds(spec.keepaliveTime);
    this.sessions.set(key, {
      kind,
      name: sessionName(kind, remote.address, remote.explicitPort),
      family: remote.family,
      neighbour: {
        address: remote.address,
        as: remote.as,
        ...(remote.port === undefined ? {} : { port: remote.port }),
      },
      local: {
        as: localAs,
        ...(source === undefined || anySource ? {} : { address: source }),
      },
      nextHop: nextHop(spec, internal),
      ...(reflects && own.clusterId !== undefined ? { clusterId: own.clusterId } : {}),
      ...(spec.ttlSecurity ? { ttlSecurity: spec.ttlSecurity } : {}),
      ...(maxRestartTime === undefined ? {} : { maxRestartTime: Math.min(maxRestartTime, LONGEST_RESTART) }),
      ...(keepaliveTime ? { keepaliveTime: Math.min(keepaliveTime, LONGEST_KEEPALIVE) } : {}),
      ...(password === undefined ? {} : { password: password.text }),
      ...rest,
    });
  }

  /** A session that should have a password never comes up without. */
  #passwordOf(name: string, { password }: BGPPeerSpec): { text: string } | undefined | 'unknown' {
    const reference = password?.secretKeyRef;
    if (reference === undefined) return undefined;
    const text = this.#password(reference.name ?? '', reference.key);
    // BIRD's strings know no escapes.
    if (text !== undefined && /^[^"\n\0]+$/.test(text)) return { text };
    const found = text === undefined ? 'not known' : 'not printable';
    const problem = `Cannot peer as BGPPeer "${name}" says: password in Secret "${reference.name}" under "${reference.key}" is ${found}; allowed: text of one line without quotation marks`;
    if (!this.problems.includes(problem)) this.problems.push(problem);
    return 'unknown';
  }
}

function isGlobal(spec: BGPPeerSpec): boolean {
  return !spec.node && !spec.nodeSelector;
}

function isLocalSide(spec: BGPPeerSpec, node: BgpNode): boolean {
  return spec.node ? spec.node === node.name : matches(spec.nodeSelector, node);
}

/** A selector that cannot be read selects nothing. */
function matches(selector: string | undefined, node: BgpNode): boolean {
  if (!selector) return false;
  try {
    return parseSelector(selector).evaluate(node.labels);
  } catch {
    return false;
  }
}

function nextHop(spec: BGPPeerSpec, internal: boolean): Session['nextHop'] {
  switch (spec.nextHopMode) {
    case 'Self':
      return 'self';
    case 'Keep':
      return 'keep';
    default:
      // The old field speaks of external peers only.
      return spec.keepOriginalNextHop === true && !internal ? 'keep' : 'auto';
  }
}
