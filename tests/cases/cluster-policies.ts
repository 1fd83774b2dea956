import type { ClusterPeer, ClusterPodSelector, ClusterPort, RawResource } from '../oracle/resources.ts';
import type { Dice } from './dice.ts';
import { labelSelector } from './selectors.ts';
import { block, type Subject, someFamily, someNumber } from './subject.ts';
import { portNames } from './world.ts';

/** A random ClusterNetworkPolicy; valid by the API's rules. */
export function clusterPolicy(dice: Dice, name: string, subject: Subject): RawResource {
  const governs = dice.pick([['ingress'], ['egress'], ['ingress', 'egress']] as const);
  const rules = (direction: 'ingress' | 'egress') =>
    dice.times(dice.whole(1, 3), () => ({
      action: dice.pick(['Accept', 'Deny', 'Deny', 'Pass']),
      [direction === 'ingress' ? 'from' : 'to']: dice.times(dice.whole(1, 2), () => peer(dice, direction, subject)),
      ...(dice.percent(60) ? { protocols: dice.times(dice.whole(1, 3), () => port(dice)) } : {}),
    }));
  const spec = {
    tier: dice.pick(['Admin', 'Baseline']),
    priority: dice.pick([0, 10, 10, 999, 1000]),
    subject: pods(dice),
    ...Object.fromEntries(governs.map(direction => [direction, rules(direction)])),
  };
  return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', metadata: { name }, spec };
}

function pods(dice: Dice): ClusterPodSelector {
  const podSelector = labelSelector(dice, ['app', 'tier']);
  return dice.weighted<() => ClusterPodSelector>([
    [2, () => ({ namespaces: labelSelector(dice, ['team', 'env']) })],
    [1, () => ({ pods: { podSelector } })],
    [2, () => ({ pods: { namespaceSelector: labelSelector(dice, ['team', 'env']), podSelector } })],
  ])();
}

function peer(dice: Dice, direction: 'ingress' | 'egress', subject: Subject): ClusterPeer {
  if (direction === 'ingress' || dice.percent(60)) return pods(dice);
  return {
    networks: [...new Set(dice.times(dice.whole(1, 3), () => block(dice, subject, 16, 32, someFamily(dice, subject))))],
  };
}

function port(dice: Dice): ClusterPort {
  if (dice.percent(25)) return { destinationNamedPort: dice.pick(Object.keys(portNames)) };
  const number = someNumber(dice);
  const destinationPort = dice.percent(60) ? { number } : { range: { start: number, end: number + dice.whole(1, 40) } };
  return { [dice.pick(['tcp', 'tcp', 'udp', 'sctp'])]: { destinationPort } };
}
