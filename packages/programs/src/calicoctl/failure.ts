/** A command that ends with exit code 1 and a message for the user, as it stands. */
export class Failure extends Error {
  override readonly name = 'Failure';
  /** calicoctl tells troubles with its own set-up on stdout, everything else on stderr. */
  readonly stream: 'out' | 'err';

  constructor(message: string, stream: 'out' | 'err' = 'err') {
    super(message);
    this.stream = stream;
  }
}

/** An operation that this kind of resource does not have. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';

  constructor(op: string, id: string, reason: string) {
    super(`operation ${op} is not supported on ${id}: ${reason}`);
  }
}
