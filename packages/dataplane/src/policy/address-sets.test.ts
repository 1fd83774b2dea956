import { beforeEach, describe, expect, test } from 'bun:test';
import { addr, addrToBytes, cidr } from '@calico/ip';
import { AddressSets, bytesKey, type ElementChange, keyBytes, netKey } from './address-sets.ts';

let changes: ElementChange[];
let shapes: string[];
let sets: AddressSets;

beforeEach(() => {
  changes = [];
  shapes = [];
  sets = new AddressSets({ changed: change => changes.push(change), shapeChanged: set => shapes.push(set) });
});

const host = (text: string) => bytesKey(addrToBytes(addr(text)));
const net = (text: string) => netKey(cidr(text));
const elements = (name: string) => [...sets.elements(name)].sort();

describe('members', () => {
  test.each([
    { member: '10.0.0.1/32', set: 's-a/4/hosts', key: host('10.0.0.1') },
    { member: '10.0.0.0/24', set: 's-a/4/nets', key: host('10.0.0.0') + host('10.0.0.255') },
    { member: '0.0.0.0/0', set: 's-a/4/nets', key: host('0.0.0.0') + host('255.255.255.255') },
    { member: 'fd00::1/128', set: 's-a/6/hosts', key: host('fd00::1') },
    { member: 'fd00::/127', set: 's-a/6/nets', key: host('fd00::') + host('fd00::1') },
  ])('$member is an element of $set', ({ member, set, key }) => {
    sets.update('s:a', 'net', [member]);
    expect(changes).toMatchObject([{ set, key, present: true }]);
    expect(elements(set)).toEqual([key]);
  });

  test.each([
    { member: '10.0.0.1,tcp:80', set: 'n-a/4/ports', bytes: [10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0] },
    { member: '10.0.0.1,udp:65535', set: 'n-a/4/ports', bytes: [10, 0, 0, 1, 17, 0, 0, 0, 255, 255, 0, 0] },
    {
      member: 'fd00::1,sctp:256',
      set: 'n-a/6/ports',
      bytes: [0xfd, ...Array.from({ length: 14 }, () => 0), 1, 132, 0, 0, 0, 1, 0, 0, 0],
    },
  ])('$member is an element of $set, in whole words', ({ member, set, bytes }) => {
    sets.update('n:a', 'ipPort', [member]);
    expect(changes.map(change => `${change.set} ${keyBytes(change.key).join(' ')}`)).toEqual([
      `${set} ${bytes.join(' ')}`,
    ]);
  });

  test.each([
    { type: 'net', member: 'a', text: 'it is no CIDR' },
    { type: 'ipPort', member: '10.0.0.1,icmp:8', text: 'allowed are <address>,tcp|udp|sctp:<port>' },
    { type: 'ipPort', member: '10.0.0.1/32', text: 'allowed are <address>,tcp|udp|sctp:<port>' },
  ] as const)('$member is refused in a set of type $type', ({ type, member, text }) => {
    expect(() => sets.update('s:a', type, [member])).toThrow(text);
  });

  test('a covered network is an element while its cover is not', () => {
    sets.update('s:a', 'net', ['10.0.0.0/8', '10.1.0.0/16']);
    expect(elements('s-a/4/nets')).toEqual([net('10.0.0.0/8')]);
    sets.change('s:a', [], ['10.0.0.0/8']);
    expect(elements('s-a/4/nets')).toEqual([net('10.1.0.0/16')]);
  });

  test('a set told anew has the new members alone', () => {
    sets.update('s:a', 'net', ['10.0.0.1/32', '10.1.0.0/16', 'fd00::1/128']);
    sets.update('s:a', 'net', ['10.0.0.2/32']);
    expect(['4/hosts', '4/nets', '6/hosts'].map(part => elements(`s-a/${part}`))).toEqual([[host('10.0.0.2')], [], []]);
  });

  test('a set that is removed has none, and can no longer be changed', () => {
    sets.update('s:a', 'net', ['10.0.0.1/32']);
    changes.length = 0;
    sets.remove('s:a');
    expect(changes).toMatchObject([{ set: 's-a/4/hosts', key: host('10.0.0.1'), present: false }]);
    expect(() => sets.change('s:a', ['10.0.0.1/32'], [])).toThrow('it is unknown');
  });
});

interface ShapeCase {
  readonly name: string;
  readonly before?: readonly string[];
  readonly act: () => void;
  readonly told: readonly string[];
}

describe('the shape changes', () => {
  const first = ['10.1.0.0/16'];
  test.each<ShapeCase>([
    { name: 'with the first network', act: () => sets.change('s:a', ['10.1.0.0/16'], []), told: ['s:a'] },
    { name: 'not with an address', act: () => sets.change('s:a', ['10.0.0.1/32'], []), told: [] },
    { name: 'per family', before: first, act: () => sets.change('s:a', ['fd00::/64'], []), told: ['s:a'] },
    { name: 'not with one more network', before: first, act: () => sets.change('s:a', ['11.0.0.0/8'], []), told: [] },
    { name: 'with the last network', before: first, act: () => sets.change('s:a', [], first), told: ['s:a'] },
    {
      name: 'not when one takes the other’s place',
      before: first,
      act: () => sets.change('s:a', ['11.0.0.0/8'], first),
      told: [],
    },
    { name: 'when told anew without networks', before: first, act: () => sets.update('s:a', 'net', []), told: ['s:a'] },
    { name: 'not when told anew with networks', before: first, act: () => sets.update('s:a', 'net', first), told: [] },
    { name: 'when a set with networks is removed', before: first, act: () => sets.remove('s:a'), told: ['s:a'] },
  ])('$name', ({ before = [], act, told }) => {
    sets.update('s:a', 'net', before);
    shapes.length = 0;
    act();
    expect(shapes).toEqual([...told]);
  });
});
