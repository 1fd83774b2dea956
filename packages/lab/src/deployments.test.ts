import { describe, expect, test } from 'bun:test';
import type { Deployment, Pod } from '@calico/api';
import { type DeploymentPlan, isReady, planDeployment } from './deployments.ts';

function deployment(replicas: number | undefined, image = 'web:1'): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop', uid: 'd-1', generation: 3 },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' }, annotations: { a: 'b' } },
        spec: { containers: [{ name: 'c', image }] },
      },
    },
  } as Deployment;
}

/** A hash that differs where the image does. */
const hash = (template: unknown) => `h${JSON.stringify(template).match(/web:(\d+)/)?.[1] ?? ''}`;

let serial = 0;
const suffix = () => `s${serial++}`;

const plan = (wanted: Deployment, pods: readonly Pod[]) => planDeployment(wanted, pods, hash, suffix);

/** The pods after the plan has been carried out; new ones are ready when told. */
function carryOut(pods: readonly Pod[], { create, remove }: DeploymentPlan, ready: boolean): Pod[] {
  const kept = pods.filter(pod => !remove.includes(pod.metadata.name));
  return [...kept, ...create.map(pod => (ready ? madeReady(pod) : pod))];
}

function madeReady(pod: Pod): Pod {
  return { ...pod, status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } } as Pod;
}

/** As many ready pods of the first template. */
const running = (count: number) => carryOut([], plan(deployment(count), []), true);

describe('planDeployment', () => {
  test('makes as many pods as replicas, owned by the Deployment, with its labels and the hash', () => {
    const { create, remove, status } = plan(deployment(2), []);
    expect(create).toHaveLength(2);
    expect(remove).toEqual([]);
    expect(create[0]?.metadata).toMatchObject({
      namespace: 'shop',
      labels: { app: 'web', 'pod-template-hash': 'h1' },
      annotations: { a: 'b' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd-1', controller: true }],
    });
    expect(create[0]?.metadata.name).toMatch(/^web-h1-s\d+$/);
    expect(new Set(create.map(pod => pod.metadata.name)).size).toBe(2);
    expect(status).toMatchObject({ replicas: 0, readyReplicas: 0, unavailableReplicas: 2, observedGeneration: 3 });
  });

  test('one replica where none is said, none where 0 is said', () => {
    expect(plan(deployment(undefined), []).create).toHaveLength(1);
    expect(plan(deployment(0), []).create).toHaveLength(0);
  });

  test('does nothing where all is as wanted, and says that it is available', () => {
    const { create, remove, status } = plan(deployment(3), running(3));
    expect([create, remove]).toEqual([[], []]);
    expect(status).toMatchObject({
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      unavailableReplicas: 0,
    });
    expect(status.conditions.map(c => `${c.type} ${c.status}`)).toEqual(['Available True', 'Progressing True']);
  });

  test('scaled up it makes what is missing, scaled down it removes the surplus', () => {
    expect(plan(deployment(5), running(3)).create).toHaveLength(2);
    const down = plan(deployment(1), running(3));
    expect(down.create).toEqual([]);
    expect(down.remove).toHaveLength(2);
  });

  test('scaled down it removes the unready first, then the youngest', () => {
    const made = (name: string, at: string, ready: boolean): Pod => {
      const [pod] = running(1);
      if (pod === undefined) throw new Error('no pod');
      const { status, ...rest } = pod;
      const metadata = { ...pod.metadata, name, creationTimestamp: at };
      return (ready ? { ...rest, status, metadata } : { ...rest, metadata }) as Pod;
    };
    const pods = [
      made('old', '2026-01-01T00:00:00Z', true),
      made('young', '2026-01-03T00:00:00Z', true),
      made('unready', '2026-01-01T00:00:00Z', false),
      made('middle', '2026-01-02T00:00:00Z', true),
    ];
    expect(plan(deployment(2), pods).remove).toEqual(['unready', 'young']);
  });

  test('a changed template: new pods first, the old go once the new are ready', () => {
    const old = running(2);
    const started = plan(deployment(2, 'web:2'), old);
    expect(started.create).toHaveLength(2);
    expect(started.remove).toEqual([]);
    const waiting = carryOut(old, started, false);
    expect(plan(deployment(2, 'web:2'), waiting)).toMatchObject({
      create: [],
      remove: [],
      status: { replicas: 4, updatedReplicas: 2, availableReplicas: 2 },
    });
    const ready = waiting.map(madeReady);
    const finished = plan(deployment(2, 'web:2'), ready);
    expect([...finished.remove].sort()).toEqual(old.map(pod => pod.metadata.name).sort());
    expect(plan(deployment(2, 'web:2'), carryOut(ready, finished, true))).toMatchObject({
      create: [],
      remove: [],
      status: { replicas: 2, updatedReplicas: 2, readyReplicas: 2 },
    });
  });

  test('pods of others and pods on their way out do not count', () => {
    const [first, second] = running(2);
    if (first === undefined || second === undefined) throw new Error('no pods');
    const leaving = { ...first, metadata: { ...first.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const foreign = { ...second, metadata: { ...second.metadata, ownerReferences: [] } };
    const { create, remove } = plan(deployment(2), [leaving, foreign]);
    expect(create).toHaveLength(2);
    expect(remove).toEqual([]);
  });
});

test('isReady needs the condition Ready to be True', () => {
  const pod = (conditions: unknown) => ({ status: { conditions } }) as unknown as Pod;
  expect(isReady(pod([{ type: 'Ready', status: 'True' }]))).toBe(true);
  expect(isReady(pod([{ type: 'Ready', status: 'False' }]))).toBe(false);
  expect(isReady(pod([{ type: 'Initialized', status: 'True' }]))).toBe(false);
  expect(isReady({ metadata: { name: 'x' } } as Pod)).toBe(false);
});
