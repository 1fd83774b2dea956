import { parseDuration } from '@calico/api';
import { parseSelector } from '@calico/selector';
import { mergeParameters } from './felix-parameter.ts';
import { validOrAbsent } from './invalid.ts';
import type { AnyResource } from './model.ts';
import { Outbox } from './outbox.ts';

/** Parameters whose name differs from their field's; a duration is written in seconds or milliseconds then. */
const PARAMETERS: Readonly<Record<string, { readonly name: string; readonly unit?: 's' | 'ms' }>> = {
  externalNodesList: { name: 'ExternalNodesCIDRList' },
  wireguardKeepAlive: { name: 'WireguardPersistentKeepAlive' },
  ipipEnabled: { name: 'IpInIpEnabled' },
  ipipMTU: { name: 'IpInIpMtu' },
  iptablesPostWriteCheckInterval: { name: 'IptablesPostWriteCheckIntervalSecs', unit: 's' },
  iptablesLockTimeout: { name: 'IptablesLockTimeoutSecs', unit: 's' },
  iptablesLockProbeInterval: { name: 'IptablesLockProbeIntervalMillis', unit: 'ms' },
  netlinkTimeout: { name: 'NetlinkTimeoutSecs', unit: 's' },
  reportingInterval: { name: 'ReportingIntervalSecs', unit: 's' },
  reportingTTL: { name: 'ReportingTTLSecs', unit: 's' },
  endpointReportingDelay: { name: 'EndpointReportingDelaySecs', unit: 's' },
  usageReportingInitialDelay: { name: 'UsageReportingInitialDelaySecs', unit: 's' },
  usageReportingInterval: { name: 'UsageReportingIntervalSecs', unit: 's' },
};

/** The parameter that a field of FelixConfiguration is; its case is the field's. */
export function parameterName(field: string): string {
  return PARAMETERS[field]?.name ?? field.charAt(0).toUpperCase() + field.slice(1);
}

/** Fields of ClusterInformation that are parameters. */
const CLUSTER_PARAMETERS: Readonly<Record<string, string>> = {
  calicoVersion: 'CalicoVersion',
  clusterGUID: 'ClusterGUID',
  clusterType: 'ClusterType',
};

const ANNOTATION = 'config.projectcalico.org/';

/**
 * The configuration that the datastore has for this node, as raw parameters. Stronger first: `node.<name>`; one whose
 * nodeSelector matches the node (the oldest, then by name); `default` with ClusterInformation.
 */
export class FelixConfig {
  readonly outbox = new Outbox<Readonly<Record<string, string>>>();
  readonly #resources = new Map<string, AnyResource>();
  readonly #nodeName: string;
  #cluster: AnyResource | undefined;
  #labels: Readonly<Record<string, string>> = {};

  constructor(nodeName: string) {
    this.#nodeName = nodeName;
    this.#changed();
  }

  /** The FelixConfiguration is now `resource`; undefined: it is gone. */
  setConfiguration(name: string, resource: AnyResource | undefined): void {
    if (resource === undefined) this.#resources.delete(name);
    else this.#resources.set(name, resource);
    this.#changed();
  }

  /** The ClusterInformation is now `resource`; undefined: it is gone. Only `default` counts. */
  setCluster(name: string, resource: AnyResource | undefined): void {
    if (name !== 'default') return;
    this.#cluster = resource;
    this.#changed();
  }

  /** The labels of this node, which selectors of configurations ask. */
  setNodeLabels(labels: Readonly<Record<string, string>>): void {
    this.#labels = labels;
    this.#changed();
  }

  get size(): number {
    return this.#resources.size;
  }

  #changed(): void {
    const layers = [
      clusterParameters(this.#cluster),
      parameters(this.#resources.get('default')),
      parameters(this.#selected()),
      parameters(this.#resources.get(`node.${this.#nodeName}`)),
    ];
    this.outbox.put('config', mergeParameters(...layers));
  }

  #selected(): AnyResource | undefined {
    const age = ({ metadata }: AnyResource) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
    return [...this.#resources]
      .filter(([name, resource]) => name !== 'default' && !name.startsWith('node.') && this.#isSelected(resource))
      .map(([, resource]) => resource)
      .sort((a, b) => (age(a) < age(b) ? -1 : 1))[0];
  }

  #isSelected(resource: AnyResource): boolean {
    const text = fieldsOf(resource).nodeSelector;
    if (typeof text !== 'string' || text.trim() === '') return false;
    return validOrAbsent(() => parseSelector(text))?.evaluate(this.#labels) ?? false;
  }
}

function fieldsOf(resource: AnyResource | undefined): Readonly<Record<string, unknown>> {
  const spec = resource?.spec;
  return typeof spec === 'object' && spec !== null ? { ...spec } : {};
}

function clusterParameters(resource: AnyResource | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [field, value] of Object.entries(fieldsOf(resource))) {
    const name = CLUSTER_PARAMETERS[field];
    if (name !== undefined && typeof value === 'string') found[name] = value;
  }
  return found;
}

/** The fields of a FelixConfiguration as parameters; its annotations overrule the fields. */
function parameters(resource: AnyResource | undefined): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [field, value] of Object.entries(fieldsOf(resource))) {
    if (field === 'nodeSelector' || value === null || value === undefined) continue;
    const unit = PARAMETERS[field]?.unit;
    fields[parameterName(field)] = unit === undefined ? printValue(value) : printDuration(value, unit);
  }
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(resource?.metadata.annotations ?? {})) {
    if (key.startsWith(ANNOTATION)) annotations[key.slice(ANNOTATION.length)] = value;
  }
  return mergeParameters(fields, annotations);
}

function printValue(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === 'object' ? printObject(value) : String(value);
  return value.length === 0 ? 'none' : value.map(printValue).join(',');
}

/** `protocol:net:port`, `min-max`, `name=timeout`, or the entries `key=value` of a map. */
function printObject(value: object | null): string {
  const fields: Readonly<Record<string, unknown>> = { ...value };
  if ('port' in fields) {
    const net = typeof fields.net === 'string' && fields.net !== '' ? [fields.net] : [];
    return [String(fields.protocol ?? 'tcp').toLowerCase(), ...net, String(fields.port)].join(':');
  }
  if ('min' in fields && 'max' in fields) return `${fields.min}-${fields.max}`;
  if ('name' in fields && 'timeout' in fields) return `${fields.name}=${fields.timeout}`;
  return Object.entries(fields)
    .map(([key, entry]) => `${key}=${entry}`)
    .join(',');
}

/** A duration as Go writes it (`1m30s`) in seconds or milliseconds; other text as it is. */
function printDuration(value: unknown, unit: 's' | 'ms'): string {
  const text = String(value);
  const total = parseDuration(text);
  if (total === undefined) return text;
  return String(unit === 's' ? total / 1000 : total);
}
