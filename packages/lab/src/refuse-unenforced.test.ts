import { expect, test } from 'bun:test';
import {
  ClusterNetworkPolicy,
  GlobalNetworkPolicy,
  HostEndpoint,
  type Kind,
  kinds,
  type Resource,
  StagedGlobalNetworkPolicy,
} from '@calico/api';
import { refuseUnenforced } from './refuse-unenforced.ts';

function refusal<R extends Resource>(of: Kind<R>, object: Resource, operation: 'create' | 'delete' = 'create'): string {
  const kind = kinds.find(candidate => candidate.apiVersion === of.apiVersion && candidate.plural === of.plural);
  if (kind === undefined) throw new Error(`no kind ${of.kind}`);
  try {
    refuseUnenforced.validate?.({
      operation,
      subresource: undefined,
      kind,
      namespace: '',
      name: object.metadata.name,
      object,
      old: undefined,
      warn: () => {},
      get: () => undefined,
      list: () => [],
    });
    return '';
  } catch (err) {
    return err instanceof Error ? err.message : String(err);
  }
}

const untracked = { ...GlobalNetworkPolicy.example(), spec: { doNotTrack: true, applyOnForward: true } };

test('what no node enforces is refused, and says so', () => {
  expect(refusal(HostEndpoint, HostEndpoint.example())).toContain('host endpoints is not enforced yet');
  expect(refusal(GlobalNetworkPolicy, untracked)).toContain('spec.doNotTrack');
});

test('what is enforced, what only tries out and what goes is let through', () => {
  expect(refusal(GlobalNetworkPolicy, GlobalNetworkPolicy.example())).toBe('');
  expect(refusal(ClusterNetworkPolicy, ClusterNetworkPolicy.example())).toBe('');
  expect(refusal(StagedGlobalNetworkPolicy, { ...untracked, kind: 'StagedGlobalNetworkPolicy' })).toBe('');
  expect(refusal(HostEndpoint, HostEndpoint.example(), 'delete')).toBe('');
});
