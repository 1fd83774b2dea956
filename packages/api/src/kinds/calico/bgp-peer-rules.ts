import { type Addr, parseAddr } from '@calico/ip';
import type { FieldErrors } from '../../field-error.ts';
import type { BGPPeer, BGPPeerSpec } from './bgp-peer.ts';

/** An address of a peer and, if it was given, its port. */
export interface PeerAddress {
  readonly addr: Addr;
  readonly port: number | undefined;
}

/** `192.0.2.1`, `192.0.2.1:179`, `2001:db8::1` or `[2001:db8::1]:179`; undefined if it is none of these. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const bare = parseAddr(text);
  if (bare !== undefined) return { addr: bare, port: undefined };
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const addr = parseAddr(parts?.[1] ?? parts?.[2] ?? '');
  const port = Number(parts?.[3]);
  if (addr === undefined || (addr.family === 6) !== (parts?.[1] !== undefined)) return undefined;
  return port >= 1 && port <= 65535 ? { addr, port } : undefined;
}

/** Fields that exclude each other: the second is named when both are given. */
const EXCLUSIVE: readonly (readonly [keyof BGPPeerSpec, keyof BGPPeerSpec])[] = [
  ['node', 'nodeSelector'],
  ['peerIP', 'peerSelector'],
  ['peerSelector', 'asNumber'],
  ['localWorkloadSelector', 'peerIP'],
  ['localWorkloadSelector', 'peerSelector'],
  ['keepOriginalNextHop', 'nextHopMode'],
];

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== 0 && value !== false;
}

/** The cross-field rules of a peer. Whether its filters exist is the datastore's to check. */
export function bgpPeerRules(peer: BGPPeer, errors: FieldErrors): void {
  const { spec } = peer;
  for (const [one, other] of EXCLUSIVE) {
    if (isGiven(spec[one]) && isGiven(spec[other])) {
      errors.forbidden(`spec.${other}`, spec[other], `not allowed together with ${one}`);
    }
  }
  const address = spec.peerIP === undefined || spec.peerIP === '' ? undefined : parsePeerAddress(spec.peerIP);
  if (isGiven(spec.peerIP) && address === undefined) {
    errors.invalid('spec.peerIP', spec.peerIP, 'must be an IP address, "address:port" or, for IPv6, "[address]:port"');
  }
  if (isGiven(spec.localWorkloadSelector) && !isGiven(spec.asNumber)) {
    errors.required('spec.asNumber', 'the AS number of the workloads, as localWorkloadSelector is given');
  }
  if (!isGiven(spec.reachableBy)) return;
  const gateway = parseAddr(spec.reachableBy ?? '');
  if (gateway === undefined) errors.invalid('spec.reachableBy', spec.reachableBy, 'must be an IP address');
  if (!isGiven(spec.peerIP)) {
    errors.required('spec.peerIP', 'the address of the peer, as reachableBy is given');
    return;
  }
  if (address !== undefined && gateway !== undefined && gateway.family !== address.addr.family) {
    errors.invalid(
      'spec.reachableBy',
      spec.reachableBy,
      `must be IPv${address.addr.family} like peerIP "${spec.peerIP}"`,
    );
  }
}
