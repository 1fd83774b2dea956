import type { BgpSessionState, BirdStatus } from '@calico/bird';
import { type Family, parseAddr } from '@calico/ip';

/** How BIRD stands, and since when the node has been starting. */
export interface BirdState {
  readonly status: Pick<BirdStatus, 'recovering'>;
  readonly sessions: readonly Pick<BgpSessionState, 'name' | 'neighbourAddress' | 'bgpState'>[];
  /** Since the node's name was written, which the start ends with; ms. */
  readonly sinceStart: number;
}

/**
 * Why a node is not ready as far as BGP of a family goes; undefined when it is. After a start all sessions have to stand and
 * routes to be complete, so that a rolling update waits; later one session is enough, so that a node is not blamed for others.
 */
export function birdNotReady(
  { status, sessions, sinceStart }: BirdState,
  family: Family,
  thresholdMs: number,
): string | undefined {
  const peers = sessions.filter(
    ({ name, neighbourAddress }) =>
      /^(Mesh|Global|Node)_/.test(name) && parseAddr(neighbourAddress.replace(/%.*/, ''))?.family === family,
  );
  if (peers.length === 0) return undefined;
  const down = peers.filter(({ bgpState }) => bgpState !== 'Established').map(peer => peer.neighbourAddress);
  const words = `BGP not established with ${down.join(', ')}`;
  if (sinceStart >= thresholdMs) return down.length === peers.length ? words : undefined;
  if (down.length > 0) return words;
  return status.recovering ? 'graceful restart in progress' : undefined;
}
