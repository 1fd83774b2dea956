import { errnoNumber, KernelError } from '../error.ts';

/** Throws the KernelError that Linux would: `code` is an errno's name. */
export function refuse(op: string, code: string, extack?: string): never {
  throw new KernelError(op, errnoNumber(code), extack);
}
