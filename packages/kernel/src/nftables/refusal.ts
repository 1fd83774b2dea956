/** How the parts of the fake say no; the handle makes a KernelError of it that names the operation. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: string;

  constructor(code: string) {
    super(`Cannot apply operation: refused with ${code}`);
    this.code = code;
  }
}
