/**
 * Why BIRD did not do as asked. `Unreachable`: nobody answers at the socket. `Timeout`: someone is there, but silent.
 * `Refused`: BIRD says no, its words are in the message. `Invalid`: the configuration does not parse. `Malformed`: the
 * answer cannot be read. `Missing`: the executable is not there. `Ended`: BIRD or the
 * connection to it ended too early.
 */
export type BirdErrorCode = 'Unreachable' | 'Timeout' | 'Refused' | 'Invalid' | 'Malformed' | 'Missing' | 'Ended';

/** What failed between us and BIRD. */
export class BirdError extends Error {
  override readonly name = 'BirdError';
  readonly code: BirdErrorCode;

  constructor(code: BirdErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Whether nobody answers at the socket: BIRD does not run, or not there. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof BirdError && error.code === 'Unreachable';
}
