import type { FieldErrors } from '../../field-error.ts';
import { validateLabels } from '../../metadata.ts';
import { isDnsLabel, isPortName } from '../../names.ts';
import type { Service } from './service.ts';

/** Fills in target ports and policies. The cluster IP is the API server's to hand out. */
export function defaultService(service: Service): Service {
  const { spec } = service;
  if (typeof spec !== 'object' || spec === null) return service;
  if (Array.isArray(spec.ports)) {
    for (const port of spec.ports) if (typeof port === 'object' && port !== null) port.targetPort ??= port.port;
  }
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') spec.externalTrafficPolicy ??= 'Cluster';
  if (spec.type !== 'ExternalName') {
    spec.internalTrafficPolicy ??= 'Cluster';
    spec.ipFamilyPolicy ??= 'SingleStack';
  }
  service.status ??= { loadBalancer: {} };
  return service;
}

/** Ports have names where there are several, and every name and port stands once. */
export function serviceRules(service: Service, errors: FieldErrors, old: Service | undefined): void {
  const { spec } = service;
  const ports = spec.ports ?? [];
  if (ports.length === 0 && spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
    errors.required('spec.ports', 'at least one port');
  }
  if (spec.type === 'ExternalName' && (spec.externalName ?? '') === '') {
    errors.required('spec.externalName', 'a DNS name, as type is "ExternalName"');
  }
  const names = new Set<string>();
  for (const [i, { name, targetPort }] of ports.entries()) {
    const at = `spec.ports[${i}]`;
    if (name === undefined || name === '') {
      if (ports.length > 1) errors.required(`${at}.name`, 'every port has a name when there are several');
    } else {
      if (!isDnsLabel(name))
        errors.invalid(`${at}.name`, name, 'must be lower-case letters, digits and "-", at most 63 characters');
      if (names.has(name)) errors.add('Duplicate', `${at}.name`, name, 'every port has its own name');
      names.add(name);
    }
    const good =
      typeof targetPort === 'string'
        ? isPortName(targetPort)
        : targetPort === undefined || (targetPort >= 1 && targetPort <= 65535);
    if (!good)
      errors.invalid(`${at}.targetPort`, targetPort, 'must be from 1 to 65535 or the name of a port of the pods');
  }
  validateLabels(spec.selector ?? {}, 'spec.selector', errors);
  const before = old?.spec.clusterIP ?? '';
  if (before !== '' && spec.type !== 'ExternalName' && spec.clusterIP !== before) {
    errors.invalid('spec.clusterIP', spec.clusterIP, `cannot be changed; it is ${JSON.stringify(before)}`);
  }
}

/** External addresses as kubectl shows them. */
export function serviceExternalIps(service: Service): string {
  const { spec, status } = service;
  if (spec.type === 'ExternalName') return spec.externalName || '<none>';
  const ips = [...(spec.externalIPs ?? [])];
  if (spec.type === 'LoadBalancer') {
    for (const ingress of status?.loadBalancer?.ingress ?? []) {
      const shown = ingress.ip || ingress.hostname;
      if (shown) ips.push(shown);
    }
    if (ips.length === 0) return '<pending>';
  }
  return ips.length === 0 ? '<none>' : ips.join(',');
}

/** `80/TCP,443:30443/TCP`. */
export function servicePorts(service: Service): string {
  const ports = service.spec.ports ?? [];
  if (ports.length === 0) return '<none>';
  return ports.map(p => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`).join(',');
}

/** `app=web,tier=front`, sorted. */
export function serviceSelector(service: Service): string {
  const terms = Object.entries(service.spec.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return terms.length === 0 ? '<none>' : terms.sort().join(',');
}
