import { ClusterInformation } from '@calico/api';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { type ConnectionFlags, connect } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `version`. */
export interface VersionFlags extends ConnectionFlags {
  /** Without asking the cluster. */
  readonly client?: boolean;
}

/** `calicoctl version`: of this program and of the cluster. */
export async function runVersion(flags: VersionFlags, world: World): Promise<void> {
  world.out(`Client Version:    ${world.version}\nGit commit:        ${world.commit}\n`);
  if (flags.client === true) return;
  const { client } = await connect(flags, world);
  try {
    const { spec } = await client.get(ClusterInformation, { name: 'default' });
    world.out(
      `Cluster Version:   ${spec.calicoVersion || 'unknown'}\nCluster Type:      ${spec.clusterType || 'unknown'}\n`,
    );
  } catch (err) {
    throw new Failure(`Unable to retrieve Cluster Version or Type: ${errorText(err)}`);
  }
}
