import type { Evaluation, Packet, Verdict } from '@calico/policy';
import type { ClusterView } from './cluster-view.ts';
import type { Place } from './place.ts';

/** What becomes of the first packet of a connection. */
export interface Judgement {
  readonly verdict: Verdict;
  /** What the pods' policies say; absent for an end that is no pod, and where they are not asked. */
  readonly egress?: Evaluation;
  readonly ingress?: Evaluation;
  /** What decided beside policy, or instead of it. */
  readonly beside?: { readonly verdict: Verdict; readonly reason: string };
}

const UDP = 17;
const IPIP = 4;

/** Asks the source pod's egress and the destination pod's ingress, and what nodes do beside policy. The packet is that of the places. */
export function judge(view: ClusterView, from: Place, to: Place, packet: Packet): Judgement {
  const { endpoint: source } = from;
  const { endpoint: destination } = to;
  if (source !== undefined && source === destination) {
    return beside('allow', `what pod ${source.pod} says to itself never leaves it`);
  }
  const egress = source && view.decide(source, 'egress', packet);
  const asked = egress === undefined ? {} : { egress };
  if (source !== undefined) {
    const tunnel = tunnelled(view, source.node, packet);
    if (tunnel !== undefined) return { ...asked, ...beside('deny', `pod ${source.pod} may not send ${tunnel} itself`) };
  }
  if (source !== undefined && to.node === source.node) {
    if (egress?.verdict === 'deny') return { verdict: 'deny', egress };
    const action = view.config(source.node).endpointToHostAction;
    const reason = `pod ${source.pod} to its own node: defaultEndpointToHostAction is ${action}`;
    return { ...asked, ...beside(action === 'drop' ? 'deny' : 'allow', reason) };
  }
  if (destination !== undefined && from.node === destination.node) {
    return beside('allow', `node ${destination.node} always reaches its own pods`);
  }
  const ingress = destination && view.decide(destination, 'ingress', packet);
  const verdict = egress?.verdict === 'deny' || ingress?.verdict === 'deny' ? 'deny' : 'allow';
  return { verdict, ...asked, ...(ingress === undefined ? {} : { ingress }) };
}

function beside(verdict: Verdict, reason: string): Judgement {
  return { verdict, beside: { verdict, reason } };
}

/** What the packet of a pod would be taken for on its node, unless the configuration lets pods send it. */
function tunnelled(view: ClusterView, node: string, { protocol, destinationPort }: Packet): string | undefined {
  if (protocol !== UDP && protocol !== IPIP) return undefined;
  const config = view.config(node);
  if (protocol === UDP && destinationPort === config.vxlanPort && !config.allowVxlanFromWorkloads)
    return 'VXLAN packets';
  return protocol === IPIP && !config.allowIpipFromWorkloads ? 'IP-in-IP packets' : undefined;
}
