import type { WorkloadEndpoint } from '../kinds/calico/workload-endpoint.ts';
import { parseQuantity } from './quantity.ts';

type QosControls = NonNullable<WorkloadEndpoint['spec']['qosControls']>;
type Annotations = Readonly<Record<string, string>>;

interface Limits {
  readonly min: number;
  readonly max: number;
}

// Bits per second and bits; packets per second and packets; connections. What is outside is set to the limit.
const BANDWIDTH: Limits = { min: 1e3, max: 1e15 };
const BURST: Limits = { min: 1e3, max: (2 ** 32 - 1) * 8 };
const PEAKRATE: Limits = { min: 1010, max: 1.01e15 };
const MINBURST: Limits = { min: 1e3, max: 1e8 };
const PACKET_RATE: Limits = { min: 1, max: 1e4 };
const PACKET_BURST: Limits = { min: 1, max: 1e4 };
const MAX_CONNECTIONS: Limits = { min: 1, max: 2 ** 32 - 1 };

/** tbf's bucket when only a bandwidth is asked for, in bits (4 Gi). */
const DEFAULT_BURST = 4 * 2 ** 30;
/** Packets let through at once when only a packet rate is asked for. */
const DEFAULT_PACKET_BURST = 5;

/** The first annotation of these that holds a quantity, within the limits. */
function limited(annotations: Annotations, { min, max }: Limits, ...keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const text = annotations[key];
    const value = text === undefined ? undefined : parseQuantity(text);
    if (value !== undefined) return Math.min(Math.max(value, min), max);
  }
  return undefined;
}

/** RFC 2474, RFC 2597 and RFC 3246 names of code points. */
const DSCP_NAMES: Readonly<Record<string, number>> = {
  DF: 0,
  EF: 46,
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map(n => [`CS${n}`, n * 8])),
  ...Object.fromEntries([1, 2, 3, 4].flatMap(n => [1, 2, 3].map(drop => [`AF${n}${drop}`, n * 8 + drop * 2]))),
};

function dscp(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const named = DSCP_NAMES[text.trim().toUpperCase()];
  if (named !== undefined) return named;
  const value = /^\d{1,2}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return value <= 63 ? value : undefined;
}

/** Most pods ask for nothing: that is to be known at once. */
const isControl = (key: string) => key.startsWith('qos.projectcalico.org/') || key.endsWith('-bandwidth');

const SIDES = ['ingress', 'egress'] as const;

/**
 * The traffic controls that a pod's annotations ask for: `kubernetes.io/ingress-bandwidth`, and with more weight
 * `qos.projectcalico.org/ingressBandwidth` and its siblings. A value outside of its range is set to the nearest limit, one that is
 * no quantity counts as absent; undefined when nothing is asked for.
 */
export function annotationsToQosControls(annotations: Annotations): QosControls | undefined {
  if (!Object.keys(annotations).some(isControl)) return undefined;
  const controls: QosControls = {};
  for (const side of SIDES) {
    const key = (control: string) => `qos.projectcalico.org/${side}${control}`;
    const bandwidth = limited(annotations, BANDWIDTH, key('Bandwidth'), `kubernetes.io/${side}-bandwidth`);
    if (bandwidth !== undefined) {
      controls[`${side}Bandwidth`] = bandwidth;
      controls[`${side}Burst`] = limited(annotations, BURST, key('Burst')) ?? DEFAULT_BURST;
      const peakrate = limited(annotations, PEAKRATE, key('Peakrate'));
      if (peakrate !== undefined) controls[`${side}Peakrate`] = peakrate;
      const minburst = limited(annotations, MINBURST, key('Minburst'));
      if (minburst !== undefined) controls[`${side}Minburst`] = minburst;
    }
    const packetRate = limited(annotations, PACKET_RATE, key('PacketRate'));
    if (packetRate !== undefined) {
      controls[`${side}PacketRate`] = packetRate;
      controls[`${side}PacketBurst`] = limited(annotations, PACKET_BURST, key('PacketBurst')) ?? DEFAULT_PACKET_BURST;
    }
    const connections = limited(annotations, MAX_CONNECTIONS, key('MaxConnections'));
    if (connections !== undefined) controls[`${side}MaxConnections`] = connections;
  }
  const codePoint = dscp(annotations['qos.projectcalico.org/dscp']);
  if (codePoint !== undefined) controls.dscp = codePoint;
  return Object.keys(controls).length === 0 ? undefined : controls;
}
