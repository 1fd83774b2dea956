import { createHash } from 'node:crypto';
import { CalicoNode, HostEndpoint, Node, nodeToCalicoNode, nodeTunnelAddresses } from '@calico/api';
import { type Cidr, cidrContains, parseCidr, printAddr } from '@calico/ip';
import { parseSelector } from '@calico/selector';
import { applyObject } from '../apply-object.ts';
import type { HostEndpointTemplate } from '../config/run-config.ts';
import { type ControllerContext, controllerQueue } from '../context.ts';
import type { View } from '../view.ts';
import type { WorkQueue } from '../work-queue.ts';
import { isSeparate } from './directory.ts';

const CREATED_BY = { 'projectcalico.org/created-by': 'calico-kube-controllers' } as const;
const SUFFIX = 'auto-hep';
const LONGEST_NAME = 253;

/** Which host endpoints nodes get. */
export interface HostEndpointConfig {
  readonly autoHostEndpoints: boolean;
  readonly defaultHostEndpoint: boolean;
  readonly hostEndpointTemplates: readonly HostEndpointTemplate[];
}

/** The host endpoints that a node should have. Pure. */
export function hostEndpointsOf(node: CalicoNode, config: HostEndpointConfig): HostEndpoint[] {
  if (!config.autoHostEndpoints) return [];
  const { name, labels = {} } = node.metadata;
  const all = addressesOf(node);
  const make = (parts: string[], interfaceName: string | undefined, expectedIPs: string[], template = {}) =>
    newEndpoint(endpointName([name, ...parts]), name, labels, interfaceName, expectedIPs, template);
  const endpoints = config.defaultHostEndpoint ? [make([], '*', all)] : [];
  for (const template of config.hostEndpointTemplates) {
    const { generateName = '', interfaceCIDRs = [], interfacePattern = '', nodeSelector = '' } = template;
    if (nodeSelector !== '' && !parseSelector(nodeSelector).evaluate(labels)) continue;
    const cidrs = interfaceCIDRs.flatMap(text => parseCidr(text) ?? []);
    const within = all.filter(address => isWithin(address, cidrs));
    if (interfacePattern === '') {
      if (within.length > 0) endpoints.push(make([generateName], undefined, within, template));
      continue;
    }
    for (const { name: device, addresses } of node.spec.interfaces ?? []) {
      if (!new RegExp(interfacePattern).test(device)) continue;
      const ips = unique([...within, ...addresses.flatMap(bareAddress)]);
      endpoints.push(make([generateName, device], device, ips, template));
    }
  }
  return endpoints;
}

function newEndpoint(
  name: string,
  node: string,
  nodeLabels: Readonly<Record<string, string>>,
  interfaceName: string | undefined,
  expectedIPs: string[],
  { labels = {}, annotations = {} }: HostEndpointTemplate,
): HostEndpoint {
  return {
    apiVersion: HostEndpoint.apiVersion,
    kind: 'HostEndpoint',
    metadata: { name, labels: { ...nodeLabels, ...labels, ...CREATED_BY }, annotations: { ...annotations } },
    spec: {
      node,
      ...(interfaceName === undefined ? {} : { interfaceName }),
      expectedIPs,
      profiles: ['projectcalico-default-allow'],
    },
  };
}

/** `<node>-<template>-<interface>-auto-hep`, or a hash of that when it is too long for a name. */
export function endpointName(parts: readonly string[]): string {
  const name = [...parts.filter(part => part !== ''), SUFFIX].join('-');
  if (name.length <= LONGEST_NAME) return name;
  const hash = createHash('sha256').update(name).digest('base64url').toLowerCase().replaceAll(/[-_.]/g, '');
  return `${hash}-${SUFFIX}`;
}

/** Every address that a node is known by, each once. */
function addressesOf(node: CalicoNode): string[] {
  const { spec } = node;
  const internal = (spec.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
  return unique(
    [
      spec.bgp?.ipv4Address,
      spec.bgp?.ipv6Address,
      ...nodeTunnelAddresses(node),
      ...internal,
      ...(spec.interfaces ?? []).flatMap(({ addresses }) => addresses),
    ].flatMap(text => (text === undefined ? [] : bareAddress(text))),
  );
}

/** An address, with or without the length of its network, alone. */
function bareAddress(text: string): string[] {
  const parsed = parseCidr(text);
  return parsed === undefined ? [] : [printAddr(parsed.addr)];
}

function isWithin(address: string, cidrs: readonly Cidr[]): boolean {
  const parsed = parseCidr(address);
  return parsed !== undefined && cidrs.some(cidr => cidrContains(cidr, parsed.addr));
}

function unique(list: string[]): string[] {
  return [...new Set(list)];
}

function isOurs({ metadata }: HostEndpoint): boolean {
  return Object.entries(CREATED_BY).every(([key, value]) => metadata.labels?.[key] === value);
}

/** How often all nodes are looked at; ms. */
const RESYNC_MS = 300_000;

/** Gives nodes the host endpoints that the configuration wants, and takes away those of its own that it does not. */
export function startHostEndpoints(context: ControllerContext, config: HostEndpointConfig): WorkQueue {
  const { stores, views, log } = context;
  const endpoints = views.of(stores.calico, HostEndpoint);
  const nodes: View<CalicoNode> = isSeparate(stores)
    ? views.of(stores.calico, CalicoNode)
    : views.keep(stores.kubernetes, Node, nodeToCalicoNode);
  const ofNode = new Map<string, Set<string>>();
  const queue = controllerQueue(context, {
    name: 'host endpoints',
    resyncMs: () => RESYNC_MS,
    keys: () => new Set([...nodes.items.keys(), ...ofNode.keys()]),
    reconcile: async name => {
      const node = nodes.items.get(name);
      const desired = new Map(
        (node === undefined ? [] : hostEndpointsOf(node, config)).map(one => [one.metadata.name, one] as const),
      );
      for (const key of new Set([...desired.keys(), ...(ofNode.get(name) ?? [])])) {
        const actual = endpoints.items.get(key);
        if (actual !== undefined && !isOurs(actual)) {
          log.warn({ object: key }, 'a host endpoint of that name was made by somebody else, and is left alone');
          continue;
        }
        const done = await applyObject(stores.calico, HostEndpoint, desired.get(key), actual);
        if (done !== 'same') log.info({ object: key, done }, 'host endpoint of a node brought up to date');
      }
    },
  });
  endpoints.listen((key, endpoint, before) => {
    for (const one of [before, endpoint]) {
      const node = one?.spec.node;
      if (one === undefined || node === undefined || !isOurs(one)) continue;
      if (one === endpoint) ofNode.set(node, (ofNode.get(node) ?? new Set()).add(key));
      else ofNode.get(node)?.delete(key);
      queue.touch(node);
    }
  });
  nodes.listen(name => queue.touch(name));
  return queue;
}
