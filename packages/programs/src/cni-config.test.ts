import { describe, expect, test } from 'bun:test';
import type { CniRequest } from '@calico/cni/plugin';
import { pluginDatastore } from './cni-config.ts';

const read = (config: object) => pluginDatastore(config as CniRequest['config'], { ETCD_ENDPOINTS: 'http://a:2379' });

describe('the datastore of a network configuration', () => {
  test('comes before the environment, field by field, and bounds the requests', () => {
    expect(read({ datastore_type: 'kubernetes', kubernetes: { kubeconfig: '/a' }, qps: 50, burst: 20 })).toEqual({
      datastoreType: 'kubernetes',
      etcdEndpoints: 'http://a:2379',
      kubeconfig: '/a',
      k8sClientQPS: '50',
      k8sClientBurst: '20',
    });
    expect(read({ qps: 0 })).toEqual({ datastoreType: 'etcdv3', etcdEndpoints: 'http://a:2379' });
  });

  test('is refused by name when a field is of another type', () => {
    expect(() => read({ qps: 'many' })).toThrow('qps is "many"; allowed: a whole number');
    expect(() => read({ burst: -1 })).toThrow('burst is -1; allowed: a whole number');
    expect(() => read({ etcd_endpoints: 7 })).toThrow('etcd_endpoints is 7; allowed: text');
  });
});
