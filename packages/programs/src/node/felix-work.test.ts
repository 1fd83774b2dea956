import { beforeEach, describe, expect, test } from 'bun:test';
import type { ResourceUpdate } from '@calico/api';
import { CalcGraph, type Message } from '@calico/calc';
import { FelixWork } from './felix-work.ts';
import { TurnClockFake } from './turn-clock-fake.ts';

let clock: TurnClockFake;
let said: string[];
let work: FelixWork;

beforeEach(() => {
  clock = new TurnClockFake();
  said = [];
  work = new FelixWork(new CalcGraph({ nodeName: 'node-1' }), clock, {
    onMessages: messages => void said.push(...messages.map(words)),
    onFlushed: () => void said.push('flushed'),
    isOutdated: update => update.name === 'outdated',
  });
});

function words(message: Message): string {
  return message.kind === 'profileUpdate' ? `profile ${message.profile.id}` : message.kind;
}

function endpoint(name: string, present = true): ResourceUpdate {
  const resource = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: { name, namespace: 'shop' },
    spec: { node: 'node-1', interfaceName: `cali${name}`, ipNetworks: ['10.0.0.1/32'], profiles: [`kns.${name}`] },
  };
  return { kind: 'WorkloadEndpoint', namespace: 'shop', name, resource: present ? resource : undefined };
}

const endpoints = (count: number) => Array.from({ length: count }, (_, i) => endpoint(`pod${i}`));

const turns = () => clock.turns();

describe('FelixWork', () => {
  test('does what fits into a turn before the call returns', () => {
    expect(work.add([endpoint('a')])).toBeUndefined();
    expect(said.filter(word => word !== 'flushed')).toEqual([]);
    expect(work.add(['inSync'])).toBeUndefined();
    expect(said).toContain('profile kns.a');
    expect(said.slice(-2)).toEqual(['inSync', 'flushed']);
  });

  test('goes on in other turns with what does not fit, and tells the end', async () => {
    clock.busyMs = 1;
    let ended = false;
    const end = work.add([...endpoints(100), 'inSync']);
    end?.then(() => {
      ended = true;
    });
    expect(said).toEqual([]);
    expect(work.flushing).toBe(false);
    expect(await turns()).toBeGreaterThan(30);
    await end;
    expect(ended).toBe(true);
    expect(said.filter(word => word.startsWith('profile'))).toHaveLength(100);
    expect(said.at(-1)).toBe('flushed');
  });

  test('takes no update in during a flush, whose messages are one whole', async () => {
    work.add(['inSync']);
    said = [];
    clock.busyMs = 1;
    work.add(endpoints(50));
    while (!work.flushing) clock.turn();
    const end = work.add([endpoint('late')]);
    await turns();
    await end;
    expect(said.indexOf('profile kns.late')).toBeGreaterThan(said.indexOf('flushed'));
    expect(said.filter(word => word === 'flushed')).toHaveLength(2);
  });

  test('serves a request before the updates that wait, and at once', async () => {
    work.add(['inSync']);
    said = [];
    clock.busyMs = 1;
    work.add(endpoints(500));
    let served = 0;
    work.request(endpoint('asked')).then(() => {
      served = said.filter(word => word.startsWith('profile')).length;
    });
    await turns();
    expect(said.indexOf('profile kns.asked')).toBeLessThan(said.indexOf('flushed'));
    expect(served).toBeGreaterThan(0);
    expect(served).toBeLessThan(100);
    expect(said.filter(word => word.startsWith('profile'))).toHaveLength(501);
  });

  test('resolves a request that changes nothing', async () => {
    work.add(['inSync']);
    await work.request(endpoint('nobody', false));
    expect(work.flushing).toBe(false);
  });

  test('leaves out what is outdated when its turn comes', () => {
    work.add([endpoint('outdated'), endpoint('a'), 'inSync']);
    expect(said).toContain('profile kns.a');
    expect(said).not.toContain('profile kns.outdated');
  });
});
