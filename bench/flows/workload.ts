import type { Resource } from '@calico/api';

const v3 = 'projectcalico.org/v3';

/** The port that the measured flow goes to; only the last policy allows it. */
export const flowPort = 9000;
/** A port that no rule speaks of. */
export const deniedPort = 9001;
/** Nodes elsewhere have one pod for each policy's selector. */
const remoteAddress = (i: number) => `10.245.${i >> 8}.${i & 0xff}`;

/** A pod as the API server has it, running. */
export function pod(name: string, node: string, ip: string, labels: Record<string, string>): Resource {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: {
      nodeName: node,
      containers: [{ name: 'c', ports: [{ name: 'metrics', containerPort: 9100, protocol: 'UDP' }] }],
    },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  } as unknown as Resource;
}

/** The pods elsewhere in the cluster, one for each of `count` selectors. */
export function remotePods(count: number): Resource[] {
  return Array.from({ length: count }, (_, i) => pod(`peer-${i}`, 'elsewhere', remoteAddress(i), { [`p${i}`]: '' }));
}

/** Labels that every policy's peer selector matches. */
export function everyLabel(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, '']));
}

/** Two tiers: what the first does not decide goes on to the second. */
export function tiers(): Resource[] {
  const tier = (name: string, order: number, defaultAction: string) => ({
    apiVersion: v3,
    kind: 'Tier',
    metadata: { name },
    spec: { order, defaultAction },
  });
  return [tier('security', 100, 'Pass'), tier('default', 1_000_000, 'Deny')] as unknown as Resource[];
}

/** So many policies on the server: see `policy`. */
export function policies(count: number, lastPeer: string, clientNet: string): Resource[] {
  return Array.from({ length: count }, (_, i) => policy(i, count, lastPeer, clientNet));
}

/**
 * Policy `i` of `count` on the server: half of them in each tier, 30% with port ranges, 20% with a network less some of
 * it, 10% with a named port, 5% Deny, 5% Pass, 1% Log, each with a peer selector (or network) of its own. The last one
 * allows the measured flow, from whatever `lastPeer` selects; no network holds `clientNet`.
 */
export function policy(
  i: number,
  count: number,
  lastPeer: string,
  clientNet: string,
  lastPorts: readonly number[] = [flowPort],
): Resource {
  const isLast = i === count - 1;
  const tier = i < count / 2 ? 'security' : 'default';
  const port = 10_000 + i * 5;
  const rule = isLast
    ? { action: 'Allow', source: { selector: lastPeer }, ports: lastPorts }
    : {
        action: i % 100 === 50 ? 'Log' : i % 20 === 7 ? 'Deny' : i % 20 === 13 ? 'Pass' : 'Allow',
        source:
          i % 10 === 3 || i % 10 === 4
            ? { nets: ['10.0.0.0/8'], notNets: [clientNet, `10.${i % 200}.${i >> 8}.0/24`] }
            : { selector: `has(p${i})` },
        ports: i % 10 < 3 ? [`${port}:${port + 3}`] : i % 10 === 5 ? ['metrics'] : [port],
      };
  const { action, source, ports } = rule;
  return {
    apiVersion: v3,
    kind: 'NetworkPolicy',
    metadata: { name: `${tier}.p${i}`, namespace: 'default' },
    spec: {
      tier,
      order: i,
      selector: "role == 'server'",
      types: ['Ingress'],
      ingress: [{ action, protocol: 'UDP', source, destination: { ports } }],
    },
  } as unknown as Resource;
}
