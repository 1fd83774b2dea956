// The node agent from its sources, which does to itself what it is told: its kernel refuses calls, its clocks jump.
import { errnoNumber, type Kernel, KernelError, type Op } from '@calico/kernel';
import { type Random, seededRandom } from '@calico/reconcile';
import { runNodeAgent } from '../../packages/programs/src/node/agent.ts';

/** What an agent has to suffer; what is left out stays as it is. */
export interface Suffering {
  /** The share of the kernel's calls that fail; half of those that change something have changed it all the same. */
  readonly refusals?: { readonly seed: number; readonly share: number };
  /** The kernel knows no owners of tables, as before Linux 6.9. */
  readonly ownerless?: boolean;
  /** By how many ms the clock of the day jumps, and the one that only ever goes on. */
  readonly wallJumpMs?: number;
  readonly clockJumpMs?: number;
}

/** What the kernel answers on a bad day. */
const codes = ['EBUSY', 'EINTR', 'ENOBUFS'] as const;

let random: Random = seededRandom(0);
let share = 0;
let ownerless = false;

function take(suffering: Suffering): void {
  if (suffering.refusals !== undefined) {
    random = seededRandom(suffering.refusals.seed);
    share = suffering.refusals.share;
  }
  ownerless = suffering.ownerless ?? ownerless;
  const { wallJumpMs = 0, clockJumpMs = 0 } = suffering;
  const [wall, clock] = [Date.now.bind(Date), performance.now.bind(performance)];
  if (wallJumpMs !== 0) Date.now = () => wall() + wallJumpMs;
  if (clockJumpMs !== 0) performance.now = () => clock() + clockJumpMs;
}

/** Calls of an edge whose methods are called now and then in vain. */
function unreliable<T extends object>(edge: T, inner: Readonly<Record<string, object>> = {}): T {
  return new Proxy(edge, {
    get(target, name) {
      if (typeof name === 'string' && name in inner) return inner[name];
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        const call = () => member.apply(target, changed(String(name), args));
        if (name === 'close' || random.next() >= share) return call();
        const code = codes[Math.trunc(random.next() * codes.length)] ?? 'EBUSY';
        // The change was made, and the answer lost.
        if (random.next() < 0.5) call();
        throw new KernelError(`${String(name)} in vain, on purpose`, errnoNumber(code));
      };
    },
  });
}

function changed(name: string, args: unknown[]): unknown[] {
  if (name !== 'transaction' || !ownerless) return args;
  const [table, ops] = args as [unknown, readonly Op[]];
  return [table, ops.map(op => (op.op === 'addTable' ? { op: 'addTable' } : op))];
}

const wrapKernel = (kernel: Kernel): Kernel =>
  unreliable(kernel, { nftables: unreliable(kernel.nftables), conntrack: unreliable(kernel.conntrack) });

await new Promise<void>(resolve =>
  process.once('message', first => {
    take(first as Suffering);
    process.on('message', more => take(more as Suffering));
    resolve();
  }),
);
process.exit(await runNodeAgent(process.env, { wrapKernel }));
