import { cidr, hostCidr, printCidr } from '@calico/ip';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import { isFields } from './config-fields.ts';
import type { CniDeps } from './deps.ts';
import { previousAddresses } from './ipam-result.ts';
import { missingParts } from './missing-parts.ts';
import { type NetworkConfig, parseNetworkConfig } from './network-config.ts';
import { DEFAULT_ROUTES } from './pod-network.ts';
import { withPodPlace } from './pod-place.ts';
import { findEntry } from './read-container.ts';

/**
 * Checks that a container's network is as the ADD made it: both interfaces, addresses, routes, sysctls, the host's routes,
 * Felix's rules, and what the datastore notes. Throws CniError 999 that names all that is missing, 7 without a `prevResult`.
 */
export async function checkNetwork(deps: CniDeps, call: CniCall): Promise<void> {
  const config = parseNetworkConfig(call.config, deps);
  const { prevResult } = config;
  if (prevResult === undefined) {
    throw new CniError(
      errorCodes.invalidConfig,
      'Cannot CHECK network: prevResult is absent; allowed: the result of the ADD',
    );
  }
  const setup = {
    addresses: previousAddresses(prevResult),
    routes: routesOf(config),
    allowIpForwarding: config.allowIpForwarding,
    mac: undefined,
  };
  const [missing, entry] = await Promise.all([
    withPodPlace(deps, call, async place => missingParts(place, setup)),
    findEntry(deps, call),
  ]);
  const problem = deps.felix.interfaceProblem(call.workload.hostName);
  if (problem !== undefined) missing.push(problem);
  if (entry?.containerId !== call.parameters.containerId) {
    missing.push(`the datastore notes container "${entry?.containerId ?? ''}", not "${call.parameters.containerId}"`);
  } else {
    const noted = new Set(entry.addresses.map(each => printCidr(hostCidr(each))));
    for (const text of setup.addresses.map(each => printCidr(hostCidr(each)))) {
      if (!noted.has(text)) missing.push(`the datastore does not note address ${text}`);
    }
  }
  if (missing.length === 0) return;
  throw new CniError(
    errorCodes.internal,
    `Network of ${call.workload.title} is not as it was set up: ${missing.join('; ')}`,
  );
}

/** The routes that the ADD gave the container: those of a delegated IPAM plugin are in the result. */
function routesOf({ delegate, prevResult, includeDefaultRoutes }: NetworkConfig) {
  if (delegate === undefined || !Array.isArray(prevResult?.routes) || prevResult.routes.length === 0) return [];
  const routes = prevResult.routes.flatMap((route: unknown) =>
    isFields(route) && typeof route.dst === 'string' ? cidr(route.dst) : [],
  );
  return [...routes, ...(includeDefaultRoutes ? DEFAULT_ROUTES : [])];
}
