import { existsSync } from 'node:fs';
import { type Addr, type Cidr, hostCidr, printAddr } from '@calico/ip';
import type { Kernel } from '@calico/kernel';
import { afterThisTurn } from './after-this-turn.ts';
import { type CniCall, logFields, ownerMark } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import { releaseHandle } from './ipam.ts';
import { readIpamResult } from './ipam-result.ts';
import type { LinkTrash } from './link-trash.ts';
import { type NetworkConfig, parseNetworkConfig } from './network-config.ts';
import { Phases } from './phases.ts';
import { assignAddresses } from './pod-addresses.ts';
import { wishOf } from './pod-annotations.ts';
import { removeHostEnd, removePodEnd } from './pod-links.ts';
import { configurePod, createVeth, DEFAULT_ROUTES, isSettled, type PodPlace, type VethPair } from './pod-network.ts';
import { withPodPlace } from './pod-place.ts';
import { type Later, publish } from './publish.ts';
import { type ContainerView, readContainer } from './read-container.ts';
import { passGates } from './readiness-gates.ts';
import { renderResult } from './result.ts';
import { Undo } from './undo.ts';

/** Usually below 5; one second where the kernel looks for duplicate addresses all the same. */
const longestSettleMs = 3_000;
/** Of a veth; loopback, where a node may have its address, has more. */
const largestMtu = 65_535;

/**
 * Gives a container its network and answers when its own rules and routes are in the kernel. May be repeated: the veth is
 * made anew, the container's address stays. After a failure what was made is taken back. Gives what the plugin prints;
 * `later` gets what goes on.
 */
export async function addNetwork(deps: CniDeps, trash: LinkTrash, call: CniCall, later?: Later): Promise<object> {
  const config = parseNetworkConfig(call.config, deps);
  const phases = new Phases(deps.clock, name => deps.onPhase?.(`ADD ${name}`));
  requireMtuFile(config, deps.mtuFile);
  await passGates(config.readinessGates, deps.clock);
  const reads = readContainer(deps, call, config);
  // The veth is made while the API answers; a failure there must not leave these answers unattended.
  reads.catch(() => undefined);
  const undo = new Undo();
  let assigning: Promise<unknown> | undefined;
  // Taken back last: an address is free only when no interface has it any more.
  undo.add(async () => {
    if (assigning === undefined) return;
    await assigning.catch(() => undefined);
    await releaseHandle(deps.ipam, call.handle);
  });
  try {
    return await withPodPlace(deps, call, async place => {
      const { hostKernel, podKernel, hostName, podName } = place;
      const mtu = Math.min(config.mtu || deps.mtu(), largestMtu);
      refuseSecondInterface(hostKernel, call);
      // The address is asked for at once, and the veth made while the API answers.
      const choice = reads.then(view =>
        chooseAddresses(deps, call, config, view, given => {
          assigning = given;
        }),
      );
      choice.catch(() => undefined);
      // What was asked for is on its way before the kernel is.
      await afterThisTurn();
      const hadLink = hostKernel.link(hostName) !== undefined;
      removePodEnd(hostKernel, podKernel, podName, trash);
      removeHostEnd(hostKernel, hostName, trash);
      const veth = createVeth(place, mtu, ownerMark(call), config.queues);
      undo.add(() => removeHostEnd(hostKernel, hostName, trash));
      phases.mark('veth');
      const view = await reads;
      phases.mark('reads');
      const given = await choice;
      phases.mark('ipam');
      configurePod(place, veth, { ...given, routes: given.podRoutes, allowIpForwarding: config.allowIpForwarding });
      phases.mark('pod');
      const mac = given.mac ?? veth.pod.mac;
      const made = { addresses: given.addresses, mac, hadLink };
      const note = await publish(deps, call, config, view, made, undo, later !== undefined);
      phases.mark('publish');
      await untilSettled(deps, place, veth);
      phases.mark('settle');
      deps.log.debug(
        { ...logFields(call), addresses: given.addresses.map(printAddr), ...phases.spans },
        'Added pod network',
      );
      later?.(afterThisTurn().then(note));
      return renderResult(config.cniVersion, {
        addresses: given.addresses.map(hostCidr),
        interfaces: {
          host: { name: hostName },
          pod: { name: podName, mac: mac ?? '', mtu, sandbox: call.parameters.netns },
        },
        ...(given.resultRoutes === undefined ? {} : { routes: given.resultRoutes }),
        dns: given.dns,
        ...(config.prevResult === undefined ? {} : { previous: config.prevResult }),
      });
    });
  } catch (error) {
    await undo.run(err => deps.log.warn({ ...logFields(call), err }, 'Part of a failed ADD could not be taken back'));
    throw error;
  }
}

/** Addresses and what comes with them, from the delegated IPAM plugin or from Calico's own. */
async function chooseAddresses(
  deps: CniDeps,
  call: CniCall,
  config: NetworkConfig,
  { pod, namespace, entry }: ContainerView,
  onAssign: (assigning: Promise<readonly Addr[]>) => void,
) {
  const wish = wishOf(pod, namespace, config);
  if (call.delegated !== undefined) {
    const { addresses, routes, dns } = readIpamResult(call.delegated);
    const defaults = config.includeDefaultRoutes ? DEFAULT_ROUTES : [];
    const podRoutes: readonly Cidr[] = routes.length === 0 ? [] : [...routes, ...defaults];
    return { addresses, podRoutes, resultRoutes: routes, dns, mac: wish.mac };
  }
  const owner = { namespaceLabels: namespace?.metadata.labels ?? {}, earlier: entry.containerId };
  const assigning = assignAddresses(deps, call, wish, owner);
  onAssign(assigning);
  const addresses = await assigning;
  return { addresses, podRoutes: [], resultRoutes: undefined, dns: {}, mac: wish.mac };
}

function requireMtuFile({ requireMtuFile: required }: NetworkConfig, path: string): void {
  if (!required || existsSync(path)) return;
  throw new CniError(
    errorCodes.tryAgainLater,
    `Cannot set up network: require_mtu_file is true, and ${path} is not there yet; the node agent writes it`,
  );
}

/** The node's end is named for the pod or container: there can be one only. */
function refuseSecondInterface(hostKernel: Kernel, call: CniCall): void {
  const { containerId, ifname } = call.parameters;
  const [, container, other] = hostKernel.link(call.workload.hostName)?.alias?.split('/') ?? [];
  if (container !== containerId || other === undefined || other === ifname) return;
  throw new CniError(
    errorCodes.internal,
    `Cannot set up ${call.workload.title}: CNI_IFNAME is "${ifname}"; allowed: "${other}", its one interface of Calico`,
  );
}

/** Waits until the first packet will pass. Throws CniError 11 when it would not for so long. */
async function untilSettled({ clock }: CniDeps, place: PodPlace, veth: VethPair): Promise<void> {
  const end = clock.now() + longestSettleMs;
  for (let delay = 1; !isSettled(place, veth); delay = Math.min(delay * 2, 50)) {
    if (clock.now() >= end) {
      throw new CniError(
        errorCodes.tryAgainLater,
        `Cannot set up interface ${place.hostName}: it has no carrier or usable address after ${longestSettleMs} ms`,
      );
    }
    await clock.sleep(delay);
  }
}
