import { hash } from 'node:crypto';

/**
 * A number of 32 bits for the text: always the same while no other text has it, so that a restart finds the numbers of
 * the run before. Texts may be chosen by tenants, so that two could be made to have one number: then the next one.
 */
export function distinctNumber(text: string, isTaken: (number: number) => boolean): number {
  for (let attempt = 0; ; attempt++) {
    const digest = hash('sha256', attempt === 0 ? text : `${text}\n${attempt}`, 'hex');
    const number = Number.parseInt(digest.slice(0, 8), 16);
    if (!isTaken(number)) return number;
  }
}

/** The number as an element of a set of marks: four bytes in host order, as a Latin-1 string. */
export function markKey(number: number): string {
  return String.fromCharCode(number & 0xff, (number >>> 8) & 0xff, (number >>> 16) & 0xff, number >>> 24);
}
