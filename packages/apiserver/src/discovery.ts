/**
 * Discovery: which groups, versions and resources there are, in the old form (one document per version) and the
 * aggregated one. Source: Kubernetes documentation, "The Kubernetes API", Discovery API.
 */
import type { Kind } from '@calico/api';
import { parseAccept } from './accept.ts';
import type { ApiGroup, KindRegistry } from './kind-registry.ts';
import { isScalable } from './scale.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const STATUS_VERBS = ['get', 'patch', 'update'];
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** A document and the media type that it must be sent as. */
export interface DiscoveryDocument {
  readonly contentType: string;
  readonly body: unknown;
}

const plain = (body: unknown): DiscoveryDocument => ({ contentType: 'application/json', body });

function groupVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

function describeGroup(group: ApiGroup): unknown {
  const versions = group.versions.map(version => ({ groupVersion: groupVersion(group.name, version), version }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

function resourcesOf(kind: Kind): unknown[] {
  const common = { namespaced: kind.namespaced, kind: kind.kind };
  const own = {
    name: kind.plural,
    singularName: kind.singular,
    ...common,
    verbs: VERBS,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
  const status = { name: `${kind.plural}/status`, singularName: '', ...common, verbs: STATUS_VERBS };
  const scale = {
    name: `${kind.plural}/scale`,
    singularName: '',
    namespaced: kind.namespaced,
    ...SCALE,
    verbs: STATUS_VERBS,
  };
  return [own, ...(kind.statusSubresource ? [status] : []), ...(isScalable(kind) ? [scale] : [])];
}

function aggregatedResource(kind: Kind): unknown {
  const responseKind = { group: kind.group, version: kind.version, kind: kind.kind };
  const subresources = [
    ...(kind.statusSubresource ? [{ subresource: 'status', responseKind, verbs: STATUS_VERBS }] : []),
    ...(isScalable(kind) ? [{ subresource: 'scale', responseKind: SCALE, verbs: STATUS_VERBS }] : []),
  ];
  return {
    resource: kind.plural,
    responseKind,
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: VERBS,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}

function aggregated(
  registry: KindRegistry,
  groups: readonly ApiGroup[],
  accept: string | null,
): DiscoveryDocument | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json') continue;
    if (parameters.get('as') !== 'APIGroupDiscoveryList') return undefined;
    const version = parameters.get('v') ?? '';
    if (parameters.get('g') !== 'apidiscovery.k8s.io' || !['v2', 'v2beta1'].includes(version)) continue;
    const items = groups.map(group => ({
      metadata: { name: group.name, creationTimestamp: null },
      versions: group.versions.map(v => ({
        version: v,
        freshness: 'Current',
        resources: registry.inVersion(group.name, v).map(aggregatedResource),
      })),
    }));
    return {
      contentType: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      body: { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items },
    };
  }
  return undefined;
}

/** The discovery document at a path, or undefined where there is none. */
export function discover(registry: KindRegistry, path: string, accept: string | null): DiscoveryDocument | undefined {
  const [root, group, version, ...rest] = path.split('/').filter(part => part !== '');
  if (rest.length > 0 || (root === 'api' && version !== undefined)) return undefined;
  const core = registry.groups.filter(g => g.name === '');
  const named = registry.groups.filter(g => g.name !== '');
  if (root === 'api' && group === undefined) {
    return (
      aggregated(registry, core, accept) ??
      plain({
        kind: 'APIVersions',
        versions: core.flatMap(g => g.versions),
        serverAddressByClientCIDRs: [],
      })
    );
  }
  if (root === 'apis' && group === undefined) {
    return (
      aggregated(registry, named, accept) ??
      plain({ kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(describeGroup) })
    );
  }
  if (root === 'apis' && version === undefined) {
    const found = named.find(g => g.name === group);
    return found && plain({ kind: 'APIGroup', apiVersion: 'v1', ...(describeGroup(found) as object) });
  }
  const [inGroup, inVersion] = root === 'api' ? ['', group] : [group, version];
  const kinds = registry.inVersion(inGroup ?? '', inVersion ?? '');
  if ((root !== 'api' && root !== 'apis') || kinds.length === 0) return undefined;
  return plain({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: groupVersion(inGroup ?? '', inVersion ?? ''),
    resources: kinds.flatMap(resourcesOf),
  });
}
