import { expect, test } from 'bun:test';
import { birdNotReady } from './bird-readiness.ts';

const peer = (name: string, neighbourAddress: string, bgpState = 'Established') => ({
  name,
  neighbourAddress,
  bgpState,
});
const up = peer('Mesh_192_0_2_1', '192.0.2.1');
const down = peer('Global_192_0_2_2', '192.0.2.2', 'Active');
const alsoDown = peer('Node_192_0_2_3', '192.0.2.3', 'Connect');
const downSix = peer('Mesh_fd00__1', 'fd00::1', 'Idle');
const foreign = peer('mine', '192.0.2.9', 'Idle');

const early = 1_000;
const late = 31_000;

test.each([
  ['no peers', [], false, early, undefined],
  ['no peers of the family', [downSix], false, late, undefined],
  ['only sessions that Calico did not make', [foreign], false, late, undefined],
  ['all peers at the start', [up, foreign], false, early, undefined],
  ['all peers at the start, but routes are still coming', [up], true, early, 'graceful restart in progress'],
  ['some at the start', [up, down], false, early, 'BGP not established with 192.0.2.2'],
  ['some later', [up, down], false, late, undefined],
  ['all later, while routes are coming', [up], true, late, undefined],
  ['none later', [down, alsoDown], false, late, 'BGP not established with 192.0.2.2, 192.0.2.3'],
] as const)('birdNotReady with %s', (_, sessions, recovering, sinceStart, expected) => {
  const state = { status: { recovering }, sessions, sinceStart };
  expect(birdNotReady(state, 4, 30_000)).toBe(expected as string);
});

test('birdNotReady looks at one family', () => {
  const state = { status: { recovering: false }, sessions: [up, downSix], sinceStart: late };
  expect(birdNotReady(state, 6, 30_000)).toBe('BGP not established with fd00::1');
});
