import { type Cidr, type Family, hostCidr, parseAddr } from '@calico/ip';
import { type ClusterView, FAMILIES } from './cluster-view.ts';
import type { FilterFunction } from './filter.ts';
import { blocksOf, exportRules, importRules, kernelRules, normaliseRules } from './route-rules.ts';
import type { Session } from './session.ts';

/** What one BIRD must do, for both families, as plain data; the renderer prints it. */
export interface BirdConfig {
  readonly routerId: string;
  /** How much of its doings BIRD tells. */
  readonly debug: 'all' | 'states' | 'none';
  /** Interfaces whose networks are not ours to tell of; `*` stands for any text. */
  readonly ignoredInterfaces: readonly string[];
  /** Where we listen; undefined: 179. */
  readonly port: number | undefined;
  /** Listen on the addresses of the sessions instead of all. */
  readonly bindToNode: boolean;
  readonly families: readonly FamilyConfig[];
  readonly sessions: readonly Session[];
}

export interface FamilyConfig {
  readonly family: Family;
  readonly statics: readonly StaticRoute[];
  readonly functions: readonly FilterFunction[];
}

export type StaticRoute =
  | { readonly kind: 'blackhole'; readonly cidr: Cidr }
  | { readonly kind: 'via'; readonly cidr: Cidr; readonly gateway: string };

/** Workload interfaces are Felix's; kube-ipvs0 holds every address of every service. */
const NEVER_CONNECTED = ['cali*', 'kube-ipvs*'];

/** The configuration that a cluster means for a node. */
export function birdConfig(view: ClusterView, sessions: readonly Session[], routerId: string): BirdConfig {
  const { config, ownConfig, own } = view;
  const ignored = (config.ignoredInterfaces ?? []).filter(pattern => /^[a-zA-Z0-9_.*-]{1,15}$/.test(pattern));
  const families = FAMILIES.filter(family => own.addresses[family] !== undefined);
  return {
    routerId,
    debug: debugOf(ownConfig.logSeverityScreen ?? config.logSeverityScreen),
    ignoredInterfaces: [...ignored, ...NEVER_CONNECTED],
    port: own.port,
    bindToNode: config.bindMode === 'NodeIP',
    families: families.map(family => ({
      family,
      statics: [
        ...blocksOf(view, family).map(block => ({ kind: 'blackhole', cidr: block }) as const),
        ...gatewaysOf(sessions, family),
      ],
      functions: [importRules, normaliseRules, exportRules, kernelRules].map(rules => rules(view, family)),
    })),
    sessions,
  };
}

function gatewaysOf(sessions: readonly Session[], family: Family): StaticRoute[] {
  const routes = new Map<string, StaticRoute>();
  for (const { neighbour, reachableBy, family: of } of sessions) {
    const neighbourAddr = parseAddr(neighbour.address);
    if (of !== family || reachableBy === undefined || neighbourAddr === undefined) continue;
    routes.set(neighbour.address, { kind: 'via', cidr: hostCidr(neighbourAddr), gateway: reachableBy });
  }
  return [...routes.values()];
}

function debugOf(severity: string | undefined): BirdConfig['debug'] {
  switch (severity?.toLowerCase()) {
    case undefined:
    case '':
    case 'info':
      return 'states';
    case 'debug':
    case 'trace':
      return 'all';
    default:
      return 'none';
  }
}
