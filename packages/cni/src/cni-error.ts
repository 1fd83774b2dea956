/** Error codes of the CNI specification 1.1.0, "Error"; 999 is Calico's for everything else. */
export const errorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  undecodable: 6,
  invalidConfig: 7,
  sameNamespace: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  internal: 999,
} as const;

/** A refusal as a container runtime understands it: `code` decides what the runtime does, `details` is for people. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, message: string, details?: string) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
