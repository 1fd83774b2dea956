/** What went wrong, in classes that a caller can act upon. */
export type IpamErrorCode =
  /** The address, handle or affinity is not there. */
  | 'NotFound'
  /** The address has an owner already. */
  | 'AlreadyExists'
  /** Somebody else changed or owns what the request is about. */
  | 'Conflict'
  /** The address was released a short while ago and rests. */
  | 'InCooldown'
  /** No pool may serve the request. */
  | 'NoPool'
  /** The pools that may serve the request have nothing left for it. */
  | 'NoAddress'
  /** The handle has as many addresses as it may have. */
  | 'HandleFull'
  /** There is such a handle already, and a new one was asked for. */
  | 'HandleExists'
  /** The configuration would contradict itself. */
  | 'Invalid'
  /** The block has addresses in use. */
  | 'NotEmpty'
  /** The same compare-and-swap lost too many times. */
  | 'TooManyRetries';

/** A request that IPAM cannot fulfil. Failures of the datastore are DatastoreErrors and pass through. */
export class IpamError extends Error {
  override readonly name = 'IpamError';
  readonly code: IpamErrorCode;

  constructor(code: IpamErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Whether an error is an IpamError of a code. */
export function isIpamError(err: unknown, code: IpamErrorCode): boolean {
  return err instanceof IpamError && err.code === code;
}
