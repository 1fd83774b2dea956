import type { IPAMConfiguration } from '@calico/api';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `ipam configure`. */
export interface IpamConfigureFlags extends ConnectionFlags {
  readonly strictaffinity?: string;
  readonly maxBlocksPerHost?: string;
  readonly kubevirtIpPersistence?: string;
  readonly ipCooldownSeconds?: string;
}

/** `calicoctl ipam configure`: changes how addresses are given out in the whole cluster. */
export async function runIpamConfigure(flags: IpamConfigureFlags, world: World): Promise<void> {
  const changes = readChanges(flags);
  if (Object.keys(changes).length === 0) throw new Failure('at least one configuration option must be specified');
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  try {
    await (await store.openIpam()).configure(changes);
  } catch (err) {
    throw new Failure(`error: ${errorText(err)}`);
  }
  const names = [
    ['strictAffinity', 'StrictAffinity'],
    ['maxBlocksPerHost', 'MaxBlocksPerHost'],
    ['kubeVirtVMAddressPersistence', 'KubeVirtVMAddressPersistence'],
    ['ipCooldownSeconds', 'IPCooldownSeconds'],
  ] as const;
  for (const [field, name] of names) {
    if (changes[field] !== undefined) world.out(`Successfully set ${name} to: ${changes[field]}\n`);
  }
}

function readChanges(flags: IpamConfigureFlags): Partial<IPAMConfiguration['spec']> {
  const { strictaffinity, maxBlocksPerHost, kubevirtIpPersistence: persistence, ipCooldownSeconds } = flags;
  if (strictaffinity !== undefined && !TRUE.has(strictaffinity) && !FALSE.has(strictaffinity)) {
    throw new Failure(`invalid value. Use true or false to set strictaffinity`);
  }
  if (persistence !== undefined && persistence !== 'Enabled' && persistence !== 'Disabled') {
    throw new Failure('invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled');
  }
  return {
    ...(strictaffinity === undefined ? {} : { strictAffinity: TRUE.has(strictaffinity) }),
    ...(maxBlocksPerHost === undefined ? {} : { maxBlocksPerHost: whole('--max-blocks-per-host', maxBlocksPerHost) }),
    ...(persistence === undefined ? {} : { kubeVirtVMAddressPersistence: persistence }),
    ...(ipCooldownSeconds === undefined
      ? {}
      : { ipCooldownSeconds: whole('--ip-cooldown-seconds', ipCooldownSeconds) }),
  };
}

/** What Go's ParseBool takes. */
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

function whole(flag: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Failure(`invalid value for ${flag}: "${text}"; allowed: a whole number from 0`);
  return Number(text);
}
