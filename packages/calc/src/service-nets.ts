import type { BGPConfiguration } from '@calico/api';
import { mergeCidrs, parseCidr, printCidr } from '@calico/ip';
import { Outbox } from './outbox.ts';

/** The networks of services that nodes advertise, as BGPConfiguration `default` has them. */
export class ServiceNets {
  readonly outbox = new Outbox<readonly string[]>();

  /** The BGPConfiguration is now `resource`; undefined: it is gone. Others than `default` say nothing of services. */
  set(name: string, resource: BGPConfiguration | undefined): void {
    if (name !== 'default') return;
    const { serviceClusterIPs = [], serviceExternalIPs = [], serviceLoadBalancerIPs = [] } = resource?.spec ?? {};
    const cidrs = [...serviceClusterIPs, ...serviceExternalIPs, ...serviceLoadBalancerIPs].flatMap(
      ({ cidr }) => parseCidr(cidr ?? '') ?? [],
    );
    const nets = mergeCidrs(cidrs).map(printCidr);
    this.outbox.put('nets', nets.length > 0 ? nets : undefined);
  }

  /** The networks that are out. */
  values(): string[] {
    return [...this.outbox.values()].flat();
  }
}
