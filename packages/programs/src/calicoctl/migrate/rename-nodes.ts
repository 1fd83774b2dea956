import type { BGPPeer, BlockAffinity, HostEndpoint, IPAMBlock, IPAMHandle, Resource } from '@calico/api';
import { affinityName } from '@calico/datastore';
import { parseCidr } from '@calico/ip';
import { affinityLabels, handleName, TUNNEL_KINDS } from '@calico/ipam';

/** Calico's names of nodes, and those that Kubernetes has for them, which are the same names mostly. */
export type NodeNames = ReadonlyMap<string, string>;

/**
 * An object as it has to be where nodes are called as Kubernetes calls them: with etcd they may have names of their own, which
 * stand in peers, endpoints, configurations of one node, blocks, affinities and the handles of tunnels. Pure.
 */
export function renameNodes(resource: Resource, names: NodeNames): Resource {
  const rename = (name: string) => names.get(name) ?? name;
  switch (resource.kind) {
    case 'Node':
      return named(resource, rename(resource.metadata.name));
    case 'FelixConfiguration':
    case 'BGPConfiguration':
      return named(
        resource,
        resource.metadata.name.replace(/^node\.(.*)$/, (_, node: string) => `node.${rename(node)}`),
      );
    case 'BGPPeer':
    case 'HostEndpoint': {
      const { spec, ...rest } = resource as BGPPeer | HostEndpoint;
      return { ...rest, spec: spec.node === undefined ? spec : { ...spec, node: rename(spec.node) } } as Resource;
    }
    case 'IPAMHandle':
      return renamedHandle(resource as IPAMHandle, names);
    case 'IPAMBlock':
      return renamedBlock(resource as IPAMBlock, names);
    case 'BlockAffinity':
      return renamedAffinity(resource as BlockAffinity, rename);
    default:
      return resource;
  }
}

function named(resource: Resource, name: string): Resource {
  return { ...resource, metadata: { ...resource.metadata, name } };
}

/** A handle's ID: of a tunnel it ends in the node's name. */
function renamedId(id: string, names: NodeNames): string {
  for (const kind of TUNNEL_KINDS) {
    const prefix = `${kind}-tunnel-addr-`;
    const node = id.startsWith(prefix) ? names.get(id.slice(prefix.length)) : undefined;
    if (node !== undefined) return `${prefix}${node}`;
  }
  return id;
}

function renamedHandle(handle: IPAMHandle, names: NodeNames): IPAMHandle {
  const handleID = renamedId(handle.spec.handleID, names);
  return {
    ...handle,
    metadata: { ...handle.metadata, name: handleName(handleID) },
    spec: { ...handle.spec, handleID },
  };
}

function renamedBlock(block: IPAMBlock, names: NodeNames): IPAMBlock {
  const { affinity, attributes } = block.spec;
  const node = /^host:(.+)$/.exec(affinity ?? '')?.[1];
  const own = node === undefined ? undefined : names.get(node);
  const owners = (given: Record<string, string> | null | undefined) => {
    const name = names.get(given?.node ?? '');
    return given && name !== undefined ? { ...given, node: name } : given;
  };
  return {
    ...block,
    spec: {
      ...block.spec,
      ...(own === undefined ? {} : { affinity: `host:${own}` }),
      attributes: attributes.map(each => ({
        ...each,
        ...(each.handle_id ? { handle_id: renamedId(each.handle_id, names) } : {}),
        ...(each.secondary ? { secondary: owners(each.secondary) } : {}),
        ...(each.alternateOwnerAttrs ? { alternateOwnerAttrs: owners(each.alternateOwnerAttrs) } : {}),
      })),
    },
  } as IPAMBlock;
}

function renamedAffinity(affinity: BlockAffinity, rename: (name: string) => string): BlockAffinity {
  const { metadata, spec } = affinity;
  const range = parseCidr(spec.cidr);
  const type = spec.type ?? 'host';
  if (type !== 'host' || range === undefined) return affinity;
  const node = rename(spec.node);
  const labels = { ...metadata.labels, ...affinityLabels({ type: 'host', name: node }, range.addr.family) };
  return {
    ...affinity,
    metadata: { ...metadata, name: affinityName(node, range), labels },
    spec: { ...spec, node },
  };
}
