import { rmSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { type Place, run, scratchFolder } from './lab-command.ts';

/** What a lab may not change of the host that it runs on: a section each, as text. */
export type HostState = Readonly<Record<string, string>>;

/** Commands without which no private host can be made or looked at. */
export const neededCommands = ['ip', 'nft', 'lsns', 'unshare', 'nsenter', 'bash'];

/**
 * A host of our own: network, mount and process namespaces with interfaces, routes, rules and an nftables table that
 * nobody else touches. What a lab that runs in it changes or leaves is seen without the noise of a real host.
 */
const setUp = `
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add uplink type veth peer name far
for end in uplink far; do
  if [ -d /proc/sys/net/ipv6 ]; then ip link set $end addrgenmode none; fi
  ip link set $end up
done
ip address add 192.0.2.7/24 dev uplink
if [ -d /proc/sys/net/ipv6 ]; then ip address add 2001:db8::7/64 dev uplink nodad; fi
ip route add 10.244.0.0/24 via 192.0.2.1
ip route add 198.51.100.0/24 via 192.0.2.1 table 77
ip rule add to 10.96.0.0/16 lookup 77 priority 500
nft add table inet calico
nft add chain inet calico owners-own
nft add rule inet calico owners-own counter comment '"not the lab’s"'
ip netns add neighbour
echo ready
read -r _
`;

/** Sections of the state; the processes are all but this shell and its children. */
const look = `
section() { echo "=== $1"; }
section links; ip -j link
section addresses; ip -j address
section routes; ip -j -4 route show table all; ip -j -6 route show table all 2>&1
section rules; ip -j -4 rule; ip -j -6 rule 2>&1
section neighbours; ip -j neighbour
section nftables; nft list ruleset
section 'named namespaces'; ls -A /run/netns
section runtime; ls -A /run
section mounts; cat /proc/1/mountinfo
section switches; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/forwarding /proc/sys/net/ipv4/conf/all/rp_filter
section namespaces; lsns --noheadings --output NS,TYPE | sort
section processes
for folder in /proc/[0-9]*; do
  pid=\${folder#/proc/}
  parent=$(sed -n 's/^PPid:\\t//p' $folder/status 2>/dev/null) || continue
  [ "$pid" = "$$" ] || [ "$parent" = "$$" ] || tr '\\0' ' ' < $folder/cmdline 2>/dev/null && echo
done | grep -v '^$' | sort
section temporary; ls -A "$TMPDIR"
`;

/** A private host, until it is closed; with it ends everything that runs in it. */
export class PrivateHost {
  readonly scratch: string;
  /** For `Place.enter`. */
  readonly enter: readonly string[];
  readonly #child: Subprocess<'pipe', 'pipe', 'inherit'>;

  private constructor(child: Subprocess<'pipe', 'pipe', 'inherit'>, scratch: string, init: number) {
    this.#child = child;
    this.scratch = scratch;
    const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
    this.enter = ['nsenter', '--target', String(init), '--net', '--mount', '--pid', ...user, '--'];
  }

  get place(): Place {
    return { enter: this.enter };
  }

  static async start(): Promise<PrivateHost> {
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    const flags = ['--net', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--propagation=private'];
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const child = Bun.spawn(['unshare', ...user, ...flags, 'bash', '-c', setUp], {
      env,
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const { value } = await child.stdout.getReader().read();
    if (!new TextDecoder().decode(value).includes('ready')) throw new Error('the private host did not start');
    const init = await Bun.file(`/proc/${child.pid}/task/${child.pid}/children`).text();
    return new PrivateHost(child, scratchFolder(), Number(init.trim()));
  }

  /** How the host is now. `scratch` is the folder for temporary files to look into. */
  async state(scratch: string): Promise<HostState> {
    const { stdout } = await run([...this.enter, 'bash', '-c', look], scratch);
    const sections = stdout.split(/^=== /m).slice(1);
    return Object.fromEntries(
      sections.map(text => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]),
    );
  }

  /** Runs a command on the host. */
  run(...command: string[]) {
    return run([...this.enter, ...command], this.scratch);
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
