/** A program of the host that manages network interfaces, and must leave Calico's alone. */
interface NetworkManager {
  readonly name: string;
  /** A path that is there while it runs. */
  readonly runs: string;
  /** Folders with its configuration. */
  readonly folders: readonly string[];
  /** Whether the text of one of its files takes an interface out of its hands. */
  leaves(text: string, interfaceName: string): boolean;
  /** What to do. */
  readonly advice: string;
}

/** Interfaces of each kind that Calico makes; the first stands for those of pods. */
const ours = ['cali0', 'vxlan.calico', 'tunl0', 'wireguard.cali'];

const managers: readonly NetworkManager[] = [
  {
    name: 'NetworkManager',
    runs: '/run/NetworkManager',
    folders: ['/etc/NetworkManager/conf.d', '/run/NetworkManager/conf.d', '/usr/lib/NetworkManager/conf.d'],
    leaves: (text, name) =>
      valuesOf(text, 'unmanaged-devices').some(value =>
        value.split(/[;,]/).some(device => {
          const pattern = /^interface-name:=?(.+)$/.exec(device.trim())?.[1];
          return pattern !== undefined && matchesGlob(pattern, name);
        }),
      ),
    advice: 'install packaging/host/NetworkManager/calico.conf as /etc/NetworkManager/conf.d/calico.conf',
  },
  {
    name: 'systemd-networkd',
    runs: '/run/systemd/netif/links',
    folders: ['/etc/systemd/network', '/run/systemd/network', '/usr/lib/systemd/network'],
    leaves: (text, name) =>
      valuesOf(text, 'Unmanaged').some(value => /^(yes|true|on|1)$/i.test(value)) &&
      valuesOf(text, 'Name').some(value => value.split(/\s+/).some(pattern => matchesGlob(pattern, name))),
    advice: 'install packaging/host/systemd/10-calico.network in /etc/systemd/network',
  },
];

/** What of a host's files is looked at. */
export interface HostFiles {
  exists(path: string): boolean;
  /** The texts of the configuration files in a folder; none when there is no such folder. */
  texts(folder: string): readonly string[];
}

/**
 * Says which programs of the host would take Calico's interfaces for their own, with what to do about it; nothing where none
 * runs or all leave them alone. They take addresses and routes of pods away, often only after minutes.
 */
export function interferingManagers(files: HostFiles): string[] {
  return managers.flatMap(({ name, runs, folders, leaves, advice }) => {
    if (!files.exists(runs)) return [];
    const texts = folders.flatMap(folder => files.texts(folder));
    const taken = ours.filter(each => !texts.some(text => leaves(text, each)));
    if (taken.length === 0) return [];
    return [`${name} runs and is not told to leave ${taken.join(', ')} alone: ${advice}, then restart ${name}`];
  });
}

/** The values of a key in a text of lines `key=value`, whatever the section. */
function valuesOf(text: string, key: string): string[] {
  return text.split('\n').flatMap(line => {
    const [name = '', ...rest] = line.split('=');
    return name.trim().replace(/\+$/, '') === key ? [rest.join('=').trim()] : [];
  });
}

/** Whether a name fits a pattern with `*` and `?`. */
function matchesGlob(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}
