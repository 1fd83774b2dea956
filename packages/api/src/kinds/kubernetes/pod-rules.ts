import type { FieldErrors } from '../../field-error.ts';
import { printJson } from '../../json.ts';
import { validateLabels } from '../../metadata.ts';
import { isDnsLabel, isDnsSubdomain, isPortName } from '../../names.ts';
import type { Pod } from './pod.ts';
import type { Container, PodSpec } from './pod-spec.ts';

/** Fills in what one field gives another; anything of the wrong type is left for validation. */
export function defaultPodSpec(spec: PodSpec | undefined): void {
  if (typeof spec !== 'object' || spec === null) return;
  spec.serviceAccountName ??= spec.serviceAccount ?? 'default';
  spec.serviceAccount ??= spec.serviceAccountName;
  for (const containers of [spec.containers, spec.initContainers]) {
    if (!Array.isArray(containers)) continue;
    for (const container of containers)
      if (typeof container === 'object' && container !== null) defaultContainer(container, spec);
  }
}

function defaultContainer(container: Container, spec: PodSpec): void {
  container.resources ??= {};
  if (container.imagePullPolicy === undefined && typeof container.image === 'string') {
    const tag = /:([^:/]+)$/.exec(container.image)?.[1];
    const pinned = (tag !== undefined && tag !== 'latest') || container.image.includes('@');
    container.imagePullPolicy = pinned ? 'IfNotPresent' : 'Always';
  }
  if (spec.hostNetwork === true && Array.isArray(container.ports)) {
    for (const port of container.ports) port.hostPort ??= port.containerPort;
  }
}

/** The rules of a pod or pod template whose spec stands at `path`. */
export function podSpecRules(spec: PodSpec, path: string, errors: FieldErrors): void {
  const names = new Set<string>();
  const ports = new Set<string>();
  for (const field of ['containers', 'initContainers'] as const) {
    for (const [i, container] of (spec[field] ?? []).entries()) {
      const at = `${path}.${field}[${i}]`;
      if (!isDnsLabel(container.name)) {
        errors.invalid(
          `${at}.name`,
          container.name,
          'must be lower-case letters, digits and "-", at most 63 characters',
        );
      }
      if (names.has(container.name))
        errors.add('Duplicate', `${at}.name`, container.name, 'every container has its own name');
      names.add(container.name);
      if ((container.image ?? '') === '') errors.required(`${at}.image`, 'the image that runs');
      for (const [j, port] of (container.ports ?? []).entries()) {
        if (port.name === undefined) continue;
        const where = `${at}.ports[${j}].name`;
        if (!isPortName(port.name)) {
          errors.invalid(
            where,
            port.name,
            'must be lower-case letters, digits and single "-", a letter among them, at most 15 characters',
          );
        }
        if (ports.has(`${i} ${field} ${port.name}`))
          errors.add('Duplicate', where, port.name, 'every port of a container has its own name');
        ports.add(`${i} ${field} ${port.name}`);
      }
      for (const [j, variable] of (container.env ?? []).entries()) {
        if (variable.name === '') errors.required(`${at}.env[${j}].name`, 'the name of the variable');
      }
    }
  }
  const { nodeName, serviceAccountName } = spec;
  if (nodeName !== undefined && nodeName !== '' && !isDnsSubdomain(nodeName)) {
    errors.invalid(`${path}.nodeName`, nodeName, 'must be the name of a node: lower-case letters, digits, "-" and "."');
  }
  if (serviceAccountName !== undefined && serviceAccountName !== '' && !isDnsSubdomain(serviceAccountName)) {
    errors.invalid(
      `${path}.serviceAccountName`,
      serviceAccountName,
      'must be the name of a service account: lower-case letters, digits, "-" and "."',
    );
  }
  validateLabels(spec.nodeSelector ?? {}, `${path}.nodeSelector`, errors);
}

/** A pod stays on its node, and its containers keep their names and ports. */
export function podUpdateRules(pod: Pod, old: Pod, errors: FieldErrors): void {
  const before = old.spec.nodeName ?? '';
  if (before !== '' && (pod.spec.nodeName ?? '') !== before) {
    errors.forbidden('spec.nodeName', pod.spec.nodeName, `a pod stays on its node, ${JSON.stringify(before)}`);
  }
  if ((pod.spec.hostNetwork ?? false) !== (old.spec.hostNetwork ?? false)) {
    errors.forbidden(
      'spec.hostNetwork',
      pod.spec.hostNetwork,
      `cannot be changed; it is ${old.spec.hostNetwork ?? false}`,
    );
  }
  const shape = (p: Pod) => printJson(p.spec.containers.map(c => [c.name, c.ports ?? []]));
  if (shape(pod) !== shape(old)) {
    errors.forbidden(
      'spec.containers',
      pod.spec.containers.map(c => c.name),
      'names and ports of containers cannot be changed; make a new pod',
    );
  }
}
