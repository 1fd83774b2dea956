import { describe, expect, test } from 'bun:test';
import { type EtcdSettings, loadEtcdConfig } from './load-config.ts';

const files: Record<string, string> = { '/ca': 'CA', '/cert': 'CERT', '/key': 'KEY' };
const records: Record<string, { name: string; port: number }[]> = {
  '_etcd-client-ssl._tcp.example.com': [{ name: 'one.example.com', port: 2379 }],
  '_etcd-client._tcp.example.com': [{ name: 'two.example.com', port: 2380 }],
};
const load = (settings: EtcdSettings) =>
  loadEtcdConfig(settings, { read: path => files[path] ?? '', resolve: async name => records[name] ?? [] });

describe('loadEtcdConfig', () => {
  test('takes etcd on this host when nothing is set', async () => {
    const { endpoints, auth } = await load({ etcdEndpoints: ' ' });
    expect(endpoints).toEqual(['http://127.0.0.1:2379']);
    expect(auth).toBeUndefined();
  });

  test('takes several endpoints and a login', async () => {
    const { endpoints, auth } = await load({
      etcdEndpoints: 'https://a:2379, https://b:2379,',
      etcdUsername: 'root',
      etcdPassword: 'secret',
    });
    expect(endpoints).toEqual(['https://a:2379', 'https://b:2379']);
    expect(auth).toEqual({ username: 'root', password: 'secret' });
  });

  test('reads files anew each time', async () => {
    const { tls } = await load({ etcdCACertFile: '/ca', etcdCertFile: '/cert', etcdKeyFile: '/key' });
    if (typeof tls !== 'function') throw new Error('tls is no function');
    expect(tls()).toEqual({ ca: 'CA', cert: 'CERT', key: 'KEY' });
    files['/ca'] = 'OTHER';
    expect(tls().ca).toBe('OTHER');
  });

  test('takes texts', async () => {
    const { tls } = await load({ etcdCACert: 'ca', etcdCert: 'cert', etcdKey: 'key' });
    if (typeof tls !== 'function') throw new Error('tls is no function');
    expect(tls()).toEqual({ ca: 'ca', cert: 'cert', key: 'key' });
  });

  test('finds endpoints by DNS', async () => {
    const { endpoints } = await load({ etcdDiscoverySrv: 'example.com' });
    expect(endpoints).toEqual(['https://one.example.com:2379', 'http://two.example.com:2380']);
  });

  const refused: [settings: EtcdSettings, text: string][] = [
    [{ etcdDiscoverySrv: 'example.org' }, '(ETCD_DISCOVERY_SRV) is "example.org"; allowed: a domain with SRV records'],
    [{ etcdDiscoverySrv: 'a', etcdEndpoints: 'http://b' }, 'allowed: one of them'],
    [{ etcdCertFile: '/cert' }, 'only one is set; allowed: both or none'],
    [{ etcdCert: 'cert' }, 'only one is set; allowed: both or none'],
    [{ etcdCACertFile: '/ca', etcdCert: 'cert', etcdKey: 'key' }, 'certificates are given as files and as texts'],
  ];
  for (const [settings, text] of refused) {
    test(`refuses ${JSON.stringify(settings)}`, async () => {
      await expect(load(settings)).rejects.toThrow(text);
    });
  }
});
