import { describe, expect, test } from 'bun:test';
import { cancelError, isTokenRefused, statusError } from './status-error.ts';

/** What etcd and gRPC say, and what it means: the code, and whether a write may have been done. */
const cases: [code: number, details: string, want: string][] = [
  [3, 'etcdserver: request is too large', 'Invalid false'],
  [3, 'etcdserver: user name is empty', 'Unauthorized false'],
  [3, 'etcdserver: authentication failed, invalid user ID or password', 'Unauthorized false'],
  [3, 'etcdserver: revision of auth store is old', 'Unauthorized false'],
  [7, 'etcdserver: permission denied', 'Forbidden false'],
  [8, 'etcdserver: too many requests', 'Unavailable false'],
  [8, 'etcdserver: mvcc: database space exceeded', 'Unavailable false'],
  [9, 'etcdserver: authentication is not enabled', 'Unauthorized false'],
  [11, 'etcdserver: mvcc: required revision has been compacted', 'Gone false'],
  [11, 'etcdserver: mvcc: required revision is a future revision', 'Gone false'],
  [12, 'unknown method', 'Internal false'],
  [16, 'etcdserver: invalid auth token', 'Unauthorized false'],
  [1, 'Call cancelled', 'Unavailable true'],
  [2, 'stream terminated', 'Unavailable true'],
  [4, 'Deadline exceeded', 'Timeout true'],
  [13, 'Received RST_STREAM with code 2', 'Unavailable true'],
  [14, 'etcdserver: leader changed', 'Unavailable true'],
  [14, 'etcdserver: request timed out', 'Unavailable true'],
  [15, 'etcdserver: corrupt', 'Internal true'],
];

describe('statusError', () => {
  for (const [code, details, want] of cases) {
    test(`${code} "${details}" of a write is ${want}`, () => {
      const write = { op: 'update', resource: 'IPPool(a)', write: true };
      const error = statusError(write, 'http://etcd:2379', code, details);
      expect(`${error.code} ${error.outcomeUnknown}`).toBe(want);
      expect(error.message).toBe(`Cannot update IPPool(a): http://etcd:2379 says: ${details}`);
      expect(statusError({ ...write, write: false }, '', code, details).outcomeUnknown).toBe(false);
    });
  }
});

test('a watch that etcd cancels says why', () => {
  const operation = { op: 'watch', resource: 'IPPool(*)', write: false };
  const codeOf = (reason: string) => cancelError(operation, 'http://etcd:2379', reason).code;
  expect(codeOf('rpc error: code = PermissionDenied desc = etcdserver: permission denied')).toBe('Forbidden');
  expect(codeOf('etcdserver: invalid auth token')).toBe('Unauthorized');
  expect(codeOf('etcdserver: no leader')).toBe('Unavailable');
  expect(cancelError(operation, 'http://etcd:2379', '').message).toEndWith('says: the watch was cancelled');
});

test('a refused token is told from a refused login', () => {
  expect(isTokenRefused(16, 'etcdserver: invalid auth token')).toBe(true);
  expect(isTokenRefused(3, 'etcdserver: revision of auth store is old')).toBe(true);
  expect(isTokenRefused(3, 'etcdserver: authentication failed, invalid user ID or password')).toBe(false);
});
