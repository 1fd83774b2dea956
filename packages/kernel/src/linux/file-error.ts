import { KernelError } from '../error.ts';

/** Runs `*Sync` file work; an errno it fails with is thrown as KernelError, as from any other kernel call. */
export function asKernelError<T>(op: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (
      error instanceof Error &&
      'errno' in error &&
      typeof error.errno === 'number' &&
      !(error instanceof KernelError)
    ) {
      throw new KernelError(op, Math.abs(error.errno));
    }
    throw error;
  }
}
