import { describe, expect, test } from 'bun:test';
import { type LoadEtcdConfigOptions, loadEtcdConfig } from './load-config.ts';

const files: Record<string, string> = { '/ca': 'CA', '/cert': 'CERT', '/key': 'KEY' };
const records: Record<string, { name: string; port: number }[]> = {
  '_etcd-client-ssl._tcp.example.com': [{ name: 'one.example.com', port: 2379 }],
  '_etcd-client._tcp.example.com': [{ name: 'two.example.com', port: 2380 }],
};
const load = (env: NonNullable<LoadEtcdConfigOptions['env']>) =>
  loadEtcdConfig({ env, read: path => files[path] ?? '', resolve: async name => records[name] ?? [] });

describe('loadEtcdConfig', () => {
  test('takes etcd on this host when nothing is set', async () => {
    const { endpoints, auth } = await load({ ETCD_ENDPOINTS: ' ' });
    expect(endpoints).toEqual(['http://127.0.0.1:2379']);
    expect(auth).toBeUndefined();
  });

  test('takes several endpoints and a login', async () => {
    const { endpoints, auth } = await load({
      ETCD_ENDPOINTS: 'https://a:2379, https://b:2379,',
      ETCD_USERNAME: 'root',
      ETCD_PASSWORD: 'secret',
    });
    expect(endpoints).toEqual(['https://a:2379', 'https://b:2379']);
    expect(auth).toEqual({ username: 'root', password: 'secret' });
  });

  test('reads files anew each time, and takes texts', async () => {
    const { tls } = await load({ ETCD_CA_CERT_FILE: '/ca', ETCD_CERT_FILE: '/cert', ETCD_KEY: 'INLINE' });
    if (typeof tls !== 'function') throw new Error('tls is no function');
    expect(tls()).toEqual({ ca: 'CA', cert: 'CERT', key: 'INLINE' });
    files['/ca'] = 'OTHER';
    expect(tls().ca).toBe('OTHER');
  });

  test('finds endpoints by DNS', async () => {
    const { endpoints } = await load({ ETCD_DISCOVERY_SRV: 'example.com' });
    expect(endpoints).toEqual(['https://one.example.com:2379', 'http://two.example.com:2380']);
  });

  const refused: [env: Record<string, string>, text: string][] = [
    [{ ETCD_DISCOVERY_SRV: 'example.org' }, 'ETCD_DISCOVERY_SRV is "example.org"; allowed: a domain with SRV records'],
    [{ ETCD_DISCOVERY_SRV: 'a', ETCD_ENDPOINTS: 'http://b' }, 'allowed: one of them'],
    [{ ETCD_CERT_FILE: '/cert' }, 'of certificate and key only one is set; allowed: both or none'],
  ];
  for (const [env, text] of refused) {
    test(`refuses ${JSON.stringify(env)}`, async () => {
      await expect(load(env)).rejects.toThrow(text);
    });
  }
});
