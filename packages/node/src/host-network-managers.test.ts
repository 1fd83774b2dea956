import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostFiles, interferingManagers } from './host-network-managers.ts';

const packaging = (path: string) => readFileSync(join(import.meta.dir, '../../../packaging/host', path), 'utf8');

/** A host with files; a path that ends in a slash is a folder. */
function host(files: Record<string, string>): HostFiles {
  const paths = Object.keys(files);
  return {
    exists: path => paths.some(each => each.startsWith(`${path}/`)),
    texts: folder => paths.filter(each => each.startsWith(`${folder}/`)).map(each => files[each] ?? ''),
  };
}

const nm = { '/run/NetworkManager/NetworkManager.pid': '' };
const networkd = { '/run/systemd/netif/links/2': '' };

test.each([
  ['nothing runs', {}],
  [
    'NetworkManager has our file',
    { ...nm, '/etc/NetworkManager/conf.d/calico.conf': packaging('NetworkManager/calico.conf') },
  ],
  [
    'the distribution’s folder has it',
    { ...nm, '/usr/lib/NetworkManager/conf.d/x.conf': packaging('NetworkManager/calico.conf') },
  ],
  [
    'two files leave a part each',
    {
      ...nm,
      '/etc/NetworkManager/conf.d/a.conf': '[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:tunl*',
      '/etc/NetworkManager/conf.d/b.conf':
        '[keyfile]\nunmanaged-devices+=interface-name:=vxlan.calico;interface-name:wireguard*',
    },
  ],
  [
    'everything is left alone',
    { ...nm, '/etc/NetworkManager/conf.d/a.conf': '[keyfile]\nunmanaged-devices=interface-name:*' },
  ],
  [
    'systemd-networkd has our file',
    { ...networkd, '/etc/systemd/network/10-calico.network': packaging('systemd/10-calico.network') },
  ],
] as [string, Record<string, string>][])('interferingManagers says nothing where %s', (_, files) => {
  expect(interferingManagers(host(files))).toEqual([]);
});

test.each([
  [
    'NetworkManager',
    nm,
    'NetworkManager runs and is not told to leave cali0, vxlan.calico, tunl0, wireguard.cali alone: install packaging/host/NetworkManager/calico.conf',
  ],
  [
    'NetworkManager with half of it',
    {
      ...nm,
      '/etc/NetworkManager/conf.d/a.conf':
        '[keyfile]\n# unmanaged-devices=interface-name:*\nunmanaged-devices=interface-name:cali*;mac:00:22:68:1c:59:b1',
    },
    'leave vxlan.calico, tunl0, wireguard.cali alone',
  ],
  ['systemd-networkd', networkd, 'systemd-networkd runs and is not told to leave cali0'],
  [
    'systemd-networkd with a file that manages them',
    { ...networkd, '/etc/systemd/network/a.network': '[Match]\nName=*\n[Network]\nDHCP=yes' },
    'leave cali0',
  ],
] as [string, Record<string, string>, string][])('interferingManagers names %s and what to do', (_, files, words) => {
  expect(interferingManagers(host(files)).join()).toContain(words);
});
