import { expect, test } from 'bun:test';
import { addressText, eachNet, netKey, netKeys, netText, sameNets } from './net-key.ts';

test.each([
  ['10.0.0.1', 0x0a000001, '10.0.0.1/32'],
  ['255.255.255.255/32', 0xffffffff, '255.255.255.255/32'],
  ['10.0.0.1/24', '10.0.0.0/24', '10.0.0.0/24'],
  ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0/0'],
  ['FD00::1', 'fd00::1/128', 'fd00::1/128'],
  ['fd00::1/64', 'fd00::/64', 'fd00::/64'],
] as const)('netKey reads %s', (text, key, printed) => {
  expect(netKey(text)).toBe(key);
  expect(netText(key)).toBe(printed);
  expect(addressText(key)).toBe(printed.replace(/\/.*/, ''));
});

test.each(['', 'web', '10.0.0.256', '10.0.0.1/33', '010.0.0.1/32', '10.0.0.1/032', '1.2.3/32'])(
  'netKey refuses "%s"',
  text => {
    expect(netKey(text)).toBeUndefined();
  },
);

test('netKeys gives each once, leaves out what is none, and keeps one without an array', () => {
  expect(netKeys(undefined)).toEqual([]);
  expect(netKeys(['nonsense'])).toEqual([]);
  expect(netKeys(['10.0.0.1/32', 'nonsense'])).toBe(0x0a000001);
  expect(eachNet(netKeys(['10.0.0.1/32', '10.0.0.1', '10.0.0.9/8']))).toEqual([0x0a000001, '10.0.0.0/8']);
});

test('sameNets compares one and several', () => {
  expect(sameNets(netKeys(['10.0.0.1']), netKeys(['10.0.0.1/32']))).toBe(true);
  expect(sameNets(netKeys(['10.0.0.1']), netKeys(['10.0.0.2']))).toBe(false);
  expect(sameNets(netKeys(['10.0.0.1', 'fd00::1']), netKeys(['10.0.0.1', 'fd00::1']))).toBe(true);
  expect(sameNets(netKeys(['10.0.0.1', 'fd00::1']), netKeys(['10.0.0.1']))).toBe(false);
});
