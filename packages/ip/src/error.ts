/** An address, prefix or MAC that cannot be read or computed. The message names the act, the object and what is allowed. */
export class IpError extends Error {
  override readonly name = 'IpError';
}
