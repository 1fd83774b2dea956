import { SelectorError } from '@calico/selector';

/** A resource cannot be read: it counts as absent. */
export class InvalidResource extends Error {
  override readonly name = 'InvalidResource';
}

/** What `read` gives, or undefined when the resource or one of its selectors cannot be read. */
export function validOrAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidResource || error instanceof SelectorError) return undefined;
    throw error;
  }
}
