/**
 * Cluster IPs and node ports of Services: handed out when a service needs one, kept as long as it does, free again when it is
 * deleted. What is taken is read from the stored services, so nothing can leak.
 * Source: Kubernetes documentation, "Service", "Service ClusterIP allocation" (the lower part of the range is for addresses
 * that users choose).
 */
import type { AnyResource } from '@calico/api';
import {
  type Cidr,
  cidrContains,
  cidrSize,
  nthAddr,
  ordinalOf,
  parseAddr,
  parseCidr,
  printAddr,
  printCidr,
} from '@calico/ip';
import type { Admission, AdmissionRequest } from './admission.ts';
import { isJsonObject, type JsonObject, omitKeys } from './json.ts';
import { invalid } from './status.ts';

/** The range of cluster IPs unless told, kubeadm's. */
export const DEFAULT_SERVICE_CIDR = '10.96.0.0/16';

const FIRST_NODE_PORT = 30_000;
const LAST_NODE_PORT = 32_767;
const SERVICES = '/services';

const specOf = (object: AnyResource | undefined): JsonObject => (isJsonObject(object?.spec) ? object.spec : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const portsOf = (spec: JsonObject): readonly JsonObject[] =>
  Array.isArray(spec.ports) ? spec.ports.filter(isJsonObject) : [];

function refuse(request: AdmissionRequest, field: string, message: string): never {
  throw invalid({ group: '', kind: 'Service', name: request.name }, [
    { reason: 'FieldValueInvalid', field, message: `Invalid value: ${message}` },
  ]);
}

/** FNV-1a of 32 bits: where the search for a free address begins, so that a freed one is not taken again at once. */
function hash(of: string): number {
  let h = 0x811c9dc5;
  for (const c of of) h = Math.imul(h ^ (c.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return h;
}

/** The number of addresses at the start of a range that are handed out last. */
function staticBand(size: number): number {
  return Math.min(Math.max(16, Math.floor(size / 16)), 256, Math.floor(size / 2));
}

/** The first free number from `start` on, within [low, high), wrapping around; undefined when all are taken. */
function firstFree(low: number, high: number, start: number, taken: ReadonlySet<number>): number | undefined {
  const count = high - low;
  for (let i = 0; i < count; i++) {
    const n = low + ((start + i) % count);
    if (!taken.has(n)) return n;
  }
  return undefined;
}

class Allocation {
  readonly #range: Cidr;
  readonly #request: AdmissionRequest;
  readonly #old: JsonObject;

  constructor(range: Cidr, request: AdmissionRequest) {
    this.#range = range;
    this.#request = request;
    this.#old = specOf(request.old);
  }

  #others(): readonly JsonObject[] {
    const { namespace, name } = this.#request;
    return this.#request
      .list(SERVICES)
      .filter(entry => entry.name !== name || entry.namespace !== namespace)
      .map(entry => specOf(entry.object));
  }

  spec(given: JsonObject): JsonObject {
    if (given.type === 'ExternalName') {
      return omitKeys(given, ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']);
    }
    this.#checkFamilies(given);
    const clusterIP = this.#clusterIp(given);
    const { ipFamilyPolicy } = given;
    return {
      ...this.#withNodePorts(given),
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: ipFamilyPolicy ?? 'SingleStack',
      ...(given.sessionAffinity === 'ClientIP' && given.sessionAffinityConfig === undefined
        ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } }
        : {}),
    };
  }

  #checkFamilies(given: JsonObject): void {
    const families = Array.isArray(given.ipFamilies) ? given.ipFamilies : [];
    const foreign = families.indexOf('IPv6');
    if (foreign >= 0) refuse(this.#request, `spec.ipFamilies[${foreign}]`, '"IPv6": not configured on this cluster');
    if (given.ipFamilyPolicy === 'RequireDualStack') {
      refuse(
        this.#request,
        'spec.ipFamilyPolicy',
        '"RequireDualStack": this cluster is not configured for dual-stack services',
      );
    }
  }

  #clusterIp(given: JsonObject): string {
    const list = Array.isArray(given.clusterIPs) ? given.clusterIPs.map(text).filter(ip => ip !== '') : [];
    const own = text(given.clusterIP);
    if (own !== '' && list.length > 0 && list[0] !== own) {
      refuse(
        this.#request,
        'spec.clusterIPs',
        `${JSON.stringify(list)}: the first one must be spec.clusterIP (${own})`,
      );
    }
    if (list.length > 1)
      refuse(this.#request, 'spec.clusterIPs', `${JSON.stringify(list)}: one address, as there is one family`);
    const before = text(this.#old.clusterIP);
    const wanted = own || list[0] || before;
    if (wanted === 'None' || (wanted !== '' && wanted === before)) return wanted;
    return wanted === '' ? this.#freeIp() : this.#checkIp(wanted);
  }

  #takenIps(): Set<number> {
    const taken = new Set<number>();
    for (const spec of this.#others()) {
      const ip = parseAddr(text(spec.clusterIP));
      if (ip !== undefined && cidrContains(this.#range, ip)) taken.add(Number(ordinalOf(this.#range, ip)));
    }
    return taken;
  }

  #checkIp(wanted: string): string {
    const ip = parseAddr(wanted);
    const fail = (why: string): never =>
      refuse(this.#request, 'spec.clusterIP', `${JSON.stringify(wanted)}: failed to allocate IP: ${why}`);
    if (ip === undefined) return fail('it is no IP address; allowed: an address, "None" or nothing');
    if (!cidrContains(this.#range, ip)) {
      fail(`it is not in the valid range; the range of valid IPs is ${printCidr(this.#range)}`);
    }
    if (this.#takenIps().has(Number(ordinalOf(this.#range, ip)))) fail('provided IP is already allocated');
    return printAddr(ip);
  }

  #freeIp(): string {
    const last = Number(cidrSize(this.#range)) - 1;
    const band = staticBand(last);
    const taken = this.#takenIps();
    const start = hash(this.#request.object.metadata.uid ?? this.#request.name);
    // Neither the network's own address nor the last one of the range is given to a service.
    const n = firstFree(band, last, start, taken) ?? firstFree(1, band, 0, taken);
    if (n === undefined) {
      return refuse(
        this.#request,
        'spec.clusterIPs',
        `[]: failed to allocate an IP: range ${printCidr(this.#range)} is full`,
      );
    }
    return printAddr(nthAddr(this.#range, BigInt(n)));
  }

  #withNodePorts(given: JsonObject): JsonObject {
    const wants =
      given.type === 'NodePort' || (given.type === 'LoadBalancer' && given.allocateLoadBalancerNodePorts !== false);
    if (!wants || !Array.isArray(given.ports)) return given;
    const taken = new Set<number>();
    for (const spec of this.#others()) {
      for (const { nodePort } of portsOf(spec)) if (typeof nodePort === 'number') taken.add(nodePort);
    }
    const before = portsOf(this.#old);
    const ports = given.ports.map((port: unknown, i): unknown => {
      if (!isJsonObject(port)) return port;
      const known = before.find(p => p.port === port.port && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
      const nodePort = this.#nodePort(port.nodePort || known?.nodePort, i, taken);
      taken.add(nodePort);
      return { ...port, nodePort };
    });
    return { ...given, ports };
  }

  #nodePort(wanted: unknown, index: number, taken: ReadonlySet<number>): number {
    const fail = (why: string): never =>
      refuse(this.#request, `spec.ports[${index}].nodePort`, `${String(wanted)}: ${why}`);
    if (typeof wanted === 'number' && wanted !== 0) {
      if (wanted < FIRST_NODE_PORT || wanted > LAST_NODE_PORT) {
        fail(
          `provided port is not in the valid range. The range of valid ports is ${FIRST_NODE_PORT}-${LAST_NODE_PORT}`,
        );
      }
      if (taken.has(wanted)) fail('provided port is already allocated');
      return wanted;
    }
    const start = hash(`${this.#request.object.metadata.uid ?? this.#request.name}:${index}`);
    return firstFree(FIRST_NODE_PORT, LAST_NODE_PORT + 1, start, taken) ?? fail('every node port is taken');
  }
}

/**
 * The admission that gives services their addresses, out of an IPv4 range of at least eight addresses. Throws an Error
 * where the range is none.
 */
export function serviceAddresses(cidr: string): Admission {
  const range = parseCidr(cidr);
  if (range === undefined || range.addr.family !== 4 || range.length > 29 || range.length < 8) {
    throw new Error(
      `Cannot hand out cluster IPs: serviceCidr is ${JSON.stringify(cidr)}; allowed: an IPv4 CIDR from /8 to /29`,
    );
  }
  return {
    name: 'service-addresses',
    mutate: request => {
      const { kind, operation, object, subresource } = request;
      if (kind.group !== '' || kind.kind !== 'Service' || operation === 'delete' || subresource !== undefined)
        return object;
      if (!isJsonObject(object.spec)) return object;
      return { ...object, spec: new Allocation(range, request).spec(object.spec) };
    },
  };
}
