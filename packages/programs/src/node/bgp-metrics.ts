import type { BgpSessionState, BirdControl } from '@calico/bird';
import { parseAddr } from '@calico/ip';
import { type Metrics, withTimeout } from '@calico/process';
import type { Clock } from '@calico/reconcile';
import { collecting } from './felix-gauges.ts';

/** How long a scrape waits for BIRD, in ms. */
const patience = 1_000;

/** Registers what BIRD says of its sessions; it is asked before every scrape. */
export function bgpMetrics(
  metrics: Metrics,
  bird: Pick<BirdControl, 'bgpSessions'>,
  clock: Pick<Clock, 'setTimeout'>,
): void {
  const up = metrics.gauge('bgp_bird_up', 'Whether BIRD answers.');
  const peers = metrics.gauge('bgp_peers', 'Number of peers by the state of their session.', ['status', 'ip_version']);
  const imported = metrics.gauge('bgp_routes_imported', 'Routes taken from peers.', ['ip_version']);
  const exported = metrics.gauge('bgp_routes_exported', 'Routes told to peers.', ['ip_version']);
  // All three wait for one answer.
  let asked: Promise<readonly BgpSessionState[] | undefined> | undefined;
  const sessions = () => {
    asked ??= withTimeout(bird.bgpSessions(), patience, 'ask BIRD', clock)
      .catch(() => undefined)
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  collecting(up, async () => up.set((await sessions()) === undefined ? 0 : 1));
  collecting(peers, async () => {
    const all = (await sessions()) ?? [];
    peers.reset();
    for (const { bgpState, neighbourAddress } of all) {
      peers.inc({ status: bgpState, ip_version: version(neighbourAddress) });
    }
  });
  for (const [gauge, side] of [
    [imported, 'imported'],
    [exported, 'exported'],
  ] as const) {
    collecting(gauge, async () => {
      const all = (await sessions()) ?? [];
      gauge.reset();
      for (const { routes, neighbourAddress } of all) {
        gauge.inc({ ip_version: version(neighbourAddress) }, routes?.[side] ?? 0);
      }
    });
  }
}

/** By the address of the peer. */
function version(address: string): string {
  return parseAddr(address)?.family === 6 ? 'IPv6' : 'IPv4';
}
