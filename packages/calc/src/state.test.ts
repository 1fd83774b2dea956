import { describe, expect, test } from 'bun:test';
import type { LocalEndpoint, Message } from './messages.ts';
import { applyMessages, emptyState } from './state.ts';

const SET: Message = { kind: 'ipSetUpdate', id: 's:a', type: 'net', members: ['10.0.0.1/32'] };
const POLICY: Message = {
  kind: 'policyUpdate',
  policy: {
    id: 'np/a',
    tier: 'default',
    staged: false,
    ingress: [{ index: 0, action: 'allow', matches: [{ kind: 'ipSet', side: 'source', set: 's:a', negated: false }] }],
    egress: [],
  },
};
const PROFILE: Message = { kind: 'profileUpdate', profile: { id: 'kns.a', ingress: [], egress: [] } };
const endpoint = (policies: string[], profiles: string[]): Message => {
  const program = { tiers: [{ name: 'default', defaultAction: 'deny' as const, policies }], profiles };
  const value: LocalEndpoint = {
    name: 'cali1',
    orchestrator: 'k8s',
    namespace: 'a',
    workload: 'b',
    ipv4: [],
    ipv6: [],
    active: true,
    ingress: program,
    egress: { tiers: [], profiles },
    allowSpoofedSources: [],
    floatingIps: [],
  };
  return { kind: 'endpointUpdate', id: 'a/b', endpoint: value };
};

describe('applyMessages', () => {
  test('adds up what the messages say', () => {
    const state = applyMessages(emptyState(), [
      SET,
      POLICY,
      PROFILE,
      endpoint(['np/a'], ['kns.a']),
      { kind: 'inSync' },
      { kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.2/32'], removed: ['10.0.0.1/32'] },
    ]);
    expect(state.inSync).toBe(true);
    expect([...(state.sets.get('s:a')?.members ?? [])]).toEqual(['10.0.0.2/32']);
    expect([...state.endpoints.keys(), ...state.policies.keys(), ...state.profiles.keys()]).toEqual([
      'a/b',
      'np/a',
      'kns.a',
    ]);
  });

  const cases: readonly { name: string; messages: readonly Message[]; want: string }[] = [
    {
      name: 'a delta of an unknown set',
      messages: [{ kind: 'ipSetDelta', id: 's:b', added: [], removed: [] }],
      want: 'it is unknown',
    },
    {
      name: 'a member that comes twice',
      messages: [SET, { kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.1/32'], removed: [] }],
      want: 'it is present',
    },
    {
      name: 'a member that goes while absent',
      messages: [SET, { kind: 'ipSetDelta', id: 's:a', added: [], removed: ['10.0.0.9/32'] }],
      want: 'it is absent',
    },
    {
      name: 'a member that comes and goes at once',
      messages: [SET, { kind: 'ipSetDelta', id: 's:a', added: ['10.0.0.1/32'], removed: ['10.0.0.1/32'] }],
      want: 'both added and removed',
    },
    {
      name: 'the removal of an unknown route',
      messages: [{ kind: 'routeRemove', cidr: '10.0.0.0/8' }],
      want: 'Cannot remove route',
    },
    { name: 'a policy before its set', messages: [POLICY, SET], want: 'Cannot use s:a in policy np/a' },
    {
      name: 'an endpoint before its policy',
      messages: [endpoint(['np/a'], [])],
      want: 'Cannot use np/a in endpoint a/b',
    },
    {
      name: 'an endpoint before its profile',
      messages: [endpoint([], ['kns.a'])],
      want: 'Cannot use kns.a in endpoint a/b',
    },
    {
      name: 'a set that goes while a policy asks it',
      messages: [SET, POLICY, { kind: 'ipSetRemove', id: 's:a' }],
      want: 'Cannot use s:a',
    },
  ];
  for (const { name, messages, want } of cases) {
    test(`refuses ${name}`, () => expect(() => applyMessages(emptyState(), messages)).toThrow(want));
  }
});
