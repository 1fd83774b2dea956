/** How a part that does not know its operation says no; whoever knows makes a KernelError of it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;

  constructor(code: string) {
    super(`Cannot apply operation: refused with ${code}`);
    this.code = code;
  }
}
