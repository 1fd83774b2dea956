import type { SetId } from '@calico/policy';
import type { Selector } from '@calico/selector';
import type { SetType } from './messages.ts';

/** Protocols whose ports can be named. */
export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** Addresses of the endpoints and network sets that match a selector. */
export interface SelectorSet {
  readonly kind: 'selector';
  readonly id: SetId;
  readonly selector: Selector;
}

/** (address, protocol, port) of the ports with this name on endpoints that match a selector. */
export interface NamedPortSet {
  readonly kind: 'namedPort';
  readonly id: SetId;
  readonly selector: Selector;
  readonly port: string;
  /** Absent: whatever protocol the endpoint's port has. */
  readonly protocol?: PortProtocol;
}

/** The endpoints of a service, as its EndpointSlices tell; with their ports, or addresses alone. */
export interface ServiceSet {
  readonly kind: 'service';
  readonly id: SetId;
  /** `<namespace>/<name>` */
  readonly service: string;
  readonly ports: boolean;
}

/** What a set of addresses holds. Sets of equal id hold the same. */
export type SetDefinition = SelectorSet | NamedPortSet | ServiceSet;

/** The set of everything that matches a selector. */
export function selectorSet(selector: Selector): SelectorSet {
  return { kind: 'selector', id: selector.id, selector };
}

/** The set of a named port on everything that matches a selector. */
export function namedPortSet(selector: Selector, port: string, protocol: PortProtocol | undefined): NamedPortSet {
  const id = `n:${selector.id.slice(2)},${protocol ?? 'any'}:${port}`;
  return { kind: 'namedPort', id, selector, port, ...(protocol === undefined ? {} : { protocol }) };
}

/** The set of a service's endpoints. */
export function serviceSet(namespace: string, name: string, ports: boolean): ServiceSet {
  const service = `${namespace}/${name}`;
  return { kind: 'service', id: `${ports ? 'svc' : 'svcnoport'}:${service}`, service, ports };
}

/** The type of the members of a set. */
export function setType(definition: SetDefinition): SetType {
  switch (definition.kind) {
    case 'selector':
      return 'net';
    case 'namedPort':
      return 'ipPort';
    case 'service':
      return definition.ports ? 'ipPort' : 'net';
  }
}

/** What a set holds, in words. */
export function describeSet(definition: SetDefinition): string {
  switch (definition.kind) {
    case 'selector':
      return definition.selector.text;
    case 'namedPort':
      return `${definition.port} of ${definition.selector.text}`;
    case 'service':
      return `service ${definition.service}`;
  }
}
