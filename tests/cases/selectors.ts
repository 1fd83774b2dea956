import type { LabelSelector } from '../oracle/resources.ts';
import type { Dice } from './dice.ts';
import { vocabulary } from './world.ts';

/** A Calico selector over pods and network sets. */
export function podSelector(dice: Dice, namespaces: readonly string[]): string {
  const one = (): string => {
    const key = dice.pick(['app', 'app', 'tier', 'trust'] as const);
    const value = dice.pick(vocabulary[key]);
    return dice.weighted([
      [8, () => `${key} == '${value}'`],
      [2, () => `${key} != "${value}"`],
      [4, () => `${key} in {${dice.some(vocabulary[key], 1, 3).map(each => `'${each}'`)}}`],
      [2, () => `${key} not in {'${value}'}`],
      [2, () => `has(${key})`],
      [1, () => `!has(${key})`],
      [1, () => `${key} starts with '${value.slice(0, 1)}'`],
      [1, () => `${key} ends with '${value.slice(-1)}'`],
      [1, () => `${key} contains '${value.slice(1, 2)}'`],
      [1, () => `projectcalico.org/namespace == '${dice.pick(namespaces)}'`],
      [1, () => `pcns.team == '${dice.pick(vocabulary.team)}'`],
      [1, () => `pcsa.rank == '${dice.pick(vocabulary.rank)}'`],
      [2, () => 'all()'],
    ])();
  };
  return combined(dice, one);
}

/** A Calico selector over namespaces. */
export function namespaceSelector(dice: Dice, namespaces: readonly string[]): string {
  const one = (): string =>
    dice.weighted([
      [4, () => `team == '${dice.pick(vocabulary.team)}'`],
      [3, () => `env == '${dice.pick(vocabulary.env)}'`],
      [2, () => `env != '${dice.pick(vocabulary.env)}'`],
      [2, () => 'has(team)'],
      [3, () => `projectcalico.org/name == '${dice.pick(namespaces)}'`],
      [2, () => `kubernetes.io/metadata.name in {${dice.some(namespaces, 1, 2).map(each => `"${each}"`)}}`],
      [2, () => 'all()'],
    ])();
  return combined(dice, one);
}

/** A Calico selector over service accounts. */
export function serviceAccountSelector(dice: Dice): string {
  return dice.weighted([
    [4, () => `rank == '${dice.pick(vocabulary.rank)}'`],
    [1, () => `rank != '${dice.pick(vocabulary.rank)}'`],
    [2, () => `projectcalico.org/name in {'default', '${dice.pick(vocabulary.accounts)}'}`],
    [2, () => 'has(rank)'],
  ])();
}

/** A Kubernetes label selector over labels with these keys; sometimes the empty one. */
export function labelSelector(dice: Dice, keys: readonly ('app' | 'tier' | 'team' | 'env')[]): LabelSelector {
  const key = dice.pick(keys);
  const values = dice.some<string>(vocabulary[key], 1, 2);
  return dice.weighted<() => LabelSelector>([
    [2, () => ({})],
    [6, () => ({ matchLabels: { [key]: values[0] ?? '' } })],
    [2, () => ({ matchExpressions: [{ key, operator: 'In', values }] })],
    [2, () => ({ matchExpressions: [{ key, operator: 'NotIn', values }] })],
    [1, () => ({ matchExpressions: [{ key, operator: 'Exists' }] })],
    [1, () => ({ matchExpressions: [{ key, operator: 'DoesNotExist' }] })],
    [
      1,
      () => ({
        matchLabels: { [key]: values[0] ?? '' },
        matchExpressions: [{ key: dice.pick(keys), operator: 'Exists' }],
      }),
    ],
  ])();
}

function combined(dice: Dice, one: () => string): string {
  return dice.weighted([
    [8, () => one()],
    [2, () => `${one()} && ${one()}`],
    [2, () => `${one()} || ${one()}`],
    [1, () => `!(${one()} || ${one()}) && ${one()}`],
    [1, () => `(${one()} || ${one()}) && !${one()}`],
  ])();
}
