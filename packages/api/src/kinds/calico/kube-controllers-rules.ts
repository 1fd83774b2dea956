import type { FieldErrors } from '../../field-error.ts';
import { isDnsSubdomain } from '../../names.ts';
import type { KubeControllersConfiguration } from './kube-controllers-configuration.ts';

/** The rules of the configuration of controllers. */
export function kubeControllersRules({ metadata, spec }: KubeControllersConfiguration, errors: FieldErrors): void {
  if (metadata.name !== 'default') {
    errors.invalid('metadata.name', metadata.name, 'must be "default", the only object of this kind');
  }
  const hostEndpoint = spec.controllers.node?.hostEndpoint;
  const path = 'spec.controllers.node.hostEndpoint';
  const create = hostEndpoint?.createDefaultHostEndpoint ?? '';
  if (create !== '' && create !== 'Enabled' && create !== 'Disabled') {
    errors.invalid(`${path}.createDefaultHostEndpoint`, create, 'must be "Enabled" or "Disabled"');
  }
  const names = new Set<string>();
  for (const [i, template] of (hostEndpoint?.templates ?? []).entries()) {
    const at = `${path}.templates[${i}]`;
    const { generateName = '', interfaceCIDRs = [], interfacePattern = '' } = template;
    if (names.has(generateName)) {
      errors.add('Duplicate', `${at}.generateName`, generateName, 'must differ from those of other templates');
    }
    names.add(generateName);
    if (generateName !== '' && !isDnsSubdomain(generateName)) {
      errors.invalid(`${at}.generateName`, generateName, 'must be lower-case letters, digits, "-" and "."');
    }
    if (interfaceCIDRs.length === 0 && interfacePattern === '') {
      errors.required(`${at}.interfaceCIDRs`, 'at least one CIDR, or an interfacePattern');
    }
    if (interfacePattern !== '' && !isRegExp(interfacePattern)) {
      errors.invalid(`${at}.interfacePattern`, interfacePattern, 'must be a regular expression such as "eth.*"');
    }
  }
}

function isRegExp(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}
