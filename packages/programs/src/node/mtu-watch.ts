import { join } from 'node:path';
import type { Subscription } from '@calico/kernel';
import { defaultMtuPattern, hostInterfaces, type MtuChoice, podMtu, replaceFile } from '@calico/node';
import type { Component } from '@calico/process';
import { systemClock } from '@calico/process';
import type { NodeView } from './node-view.ts';
import type { OpenNode } from './open-node.ts';

/** How often the host's MTUs are looked at, in ms; as Felix does. */
const interval = 30_000;

/** The MTU for pods, kept up to date. */
export interface MtuWatch extends Component {
  /** In bytes, of this moment. */
  mtu(): number;
}

/**
 * Keeps the MTU for pods in the file `mtu`, where CNI plugins that work without an agent find it, and says of each change which
 * interface it comes from. `parameters` are this node's own of Felix, which beat those of the datastore.
 */
export function mtuWatch(
  { kernel, environment, log }: Pick<OpenNode, 'kernel' | 'environment' | 'log'>,
  view: NodeView,
  parameters: Readonly<Record<string, string>>,
): MtuWatch {
  const file = join(environment.libFolder, 'mtu');
  let said: number | undefined;
  let timer: { cancel(): void } | undefined;
  let links: Subscription | undefined;
  const local = new Map(Object.entries(parameters).map(([name, text]) => [name.toLowerCase(), text]));
  const own = (parameter: string) => local.get(parameter.toLowerCase());
  const number = (
    parameter: string,
    field: 'vxlanMTU' | 'vxlanMTUV6' | 'ipipMTU' | 'wireguardMTU' | 'wireguardMTUV6',
  ) => Number(own(parameter) ?? view.felix(field) ?? 0) || 0;
  const flag = (parameter: string, field: 'wireguardEnabled' | 'wireguardEnabledV6') =>
    own(parameter) === undefined ? view.felix(field) === true : /^(true|1|yes|y|t)$/i.test(own(parameter) ?? '');
  const choose = (): MtuChoice => {
    const { ipv4Address, ipv6Address } = view.node?.spec.bgp ?? {};
    return podMtu({
      interfaces: hostInterfaces(kernel),
      pattern: patternOf(own('MTUIfacePattern') ?? view.felix('mtuIfacePattern')),
      nodeAddresses: [ipv4Address, ipv6Address],
      pools: view.pools,
      wireguard: {
        ipv4: flag('WireguardEnabled', 'wireguardEnabled'),
        ipv6: flag('WireguardEnabledV6', 'wireguardEnabledV6'),
      },
      overlayMtus: {
        vxlan: number('VXLANMTU', 'vxlanMTU'),
        vxlanV6: number('VXLANMTUV6', 'vxlanMTUV6'),
        ipip: number('IpInIpMtu', 'ipipMTU'),
        wireguard: number('WireguardMTU', 'wireguardMTU'),
        wireguardV6: number('WireguardMTUV6', 'wireguardMTUV6'),
      },
    });
  };
  const patternOf = (text: string | undefined): RegExp => {
    try {
      return text ? new RegExp(text) : defaultMtuPattern;
    } catch {
      log.warn({ MTUIfacePattern: text }, 'MTUIfacePattern is no regular expression; its default holds');
      return defaultMtuPattern;
    }
  };
  const look = () => {
    if (!view.inSync) return;
    try {
      const { mtu, why } = choose();
      if (mtu === said) return;
      replaceFile(file, String(mtu), 0o644);
      log.info({ mtu, why }, said === undefined ? 'MTU for pods' : 'The MTU for pods has changed; new pods get it');
      said = mtu;
    } catch (err) {
      log.warn({ err, file }, 'The MTU for pods could not be written; trying again');
    }
  };
  return {
    name: 'MTU watch',
    mtu: () => said ?? choose().mtu,
    start() {
      view.onChanged(look);
      // Pods' own interfaces come and go all the time, and none of them counts.
      try {
        links = kernel.subscribe(['link'], event => {
          if (event.kind === 'overrun' || (event.kind === 'link' && event.link.kind !== 'veth')) look();
        });
      } catch (err) {
        log.warn(
          { err, intervalMs: interval },
          'The kernel does not tell of its links; the MTU is looked at now and then',
        );
      }
      timer = systemClock.setInterval(look, interval);
    },
    stop() {
      timer?.cancel();
      links?.close();
    },
  };
}
