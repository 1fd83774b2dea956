import { constants } from 'node:os';

const nameByNumber = new Map<number, string>(Object.entries(constants.errno).map(([name, number]) => [number, name]));

// Missing from node:os, yet answered by netlink.
nameByNumber.set(524, 'ENOTSUPP'); // linux/errno.h, kernel-internal but leaked by some drivers
nameByNumber.set(95, 'EOPNOTSUPP'); // node:os lists it under ENOTSUP too

/** The name of an errno, such as 'EEXIST' for 17; 'E<number>' for one without a name here. */
export function errnoName(errno: number): string {
  return nameByNumber.get(errno) ?? `E${errno}`;
}

/** The number of an errno name, the inverse of {@link errnoName}. Throws RangeError on an unknown name. */
export function errnoNumber(name: string): number {
  for (const [number, known] of nameByNumber) if (known === name) return number;
  throw new RangeError(`Cannot find errno: name is "${name}"; allowed: the names of errno(3)`);
}

/** What the kernel said besides the errno: linux/netlink.h NLMSGERR_ATTR_MSG and NLMSGERR_ATTR_OFFS. */
export interface ExtendedAck {
  readonly message?: string;
  /** Offset in bytes of the refused attribute from the start of the request's message. */
  readonly offset?: number;
}

/**
 * A refusal of the kernel: `code` is the errno's name, `op` what was asked in words, such as
 * 'create link cali123', `extack` the kernel's own explanation where it gives one.
 */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly code: string;
  readonly errno: number;
  readonly op: string;
  readonly extack?: string;

  constructor(op: string, errno: number, extack?: string) {
    const code = errnoName(errno);
    super(`Cannot ${op}: kernel answered ${code}${extack ? ` (${extack})` : ''}`);
    this.code = code;
    this.errno = errno;
    this.op = op;
    if (extack !== undefined) this.extack = extack;
  }
}

// What deleting or looking up an absent object answers: links and tables, routes, addresses, namespaces' devices.
const absentCodes: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'EADDRNOTAVAIL', 'ENODEV', 'ENXIO']);

/** Whether the error means that the object asked about does not exist. */
export function isAbsent(error: unknown): boolean {
  return error instanceof KernelError && absentCodes.has(error.code);
}
