const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SERVICE = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const PORT_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Whether this is a DNS label of RFC 1123 in lower case, at most 63 characters. */
export function isDnsLabel(name: string): boolean {
  return name.length <= 63 && LABEL.test(name);
}

/** Whether these are DNS labels of RFC 1123 joined by dots, at most 253 characters in all. */
export function isDnsSubdomain(name: string): boolean {
  return name.length <= 253 && name.split('.').every(part => LABEL.test(part));
}

/**
 * Whether it may be a name that begins with a CNI network's: a subdomain that may have "_" as well. A Kubernetes API server
 * refuses that, etcd does not.
 */
export function isNetworkName(name: string): boolean {
  return isDnsSubdomain(name.replaceAll('_', '-'));
}

/** Whether this is a DNS label of RFC 1035 (a letter in front), at most 63 characters. */
export function isServiceName(name: string): boolean {
  return name.length <= 63 && SERVICE.test(name);
}

/** Whether this is a label key of Kubernetes: a name of at most 63 characters, after an optional DNS prefix and "/". */
export function isQualifiedName(key: string): boolean {
  const slash = key.indexOf('/');
  const name = slash < 0 ? key : key.slice(slash + 1);
  if (slash >= 0 && !isDnsSubdomain(key.slice(0, slash))) return false;
  return name.length <= 63 && QUALIFIED.test(name);
}

/** Whether this is a label value of Kubernetes: empty or at most 63 characters. */
export function isLabelValue(value: string): boolean {
  return value === '' || (value.length <= 63 && QUALIFIED.test(value));
}

/** Whether this is a port name of Kubernetes (IANA_SVC_NAME): at most 15 characters, a letter among them, no "--". */
export function isPortName(name: string): boolean {
  return name.length <= 15 && PORT_NAME.test(name) && /[a-z]/.test(name) && !name.includes('--');
}

/** Whether this is a name of a port in a Calico rule. */
export function isRulePortName(name: string): boolean {
  return /^[a-zA-Z0-9_.-]{1,128}$/.test(name);
}
