/** Who can be affine to a block: a node, or a component without one such as the load balancer controller. */
export interface Owner {
  readonly type: 'host' | 'virtual';
  readonly name: string;
}

/** `host:node-1`: an owner as blocks name it. */
export function printOwner(owner: Owner): string {
  return `${owner.type}:${owner.name}`;
}

/** The owner that a block names; undefined when it names none. */
export function parseOwner(affinity: string | null | undefined): Owner | undefined {
  const [, type, name] = /^(host|virtual):(.+)$/.exec(affinity ?? '') ?? [];
  return name !== undefined && (type === 'host' || type === 'virtual') ? { type, name } : undefined;
}
