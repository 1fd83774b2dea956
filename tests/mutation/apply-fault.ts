import type { Fault } from './faults.ts';

/** The text of the fault's file with the fault in it. Throws when what is to be replaced is not there exactly once. */
export function applyFault(fault: Fault, text: string): string {
  const [before, after, ...more] = text.split(fault.find);
  if (before === undefined || after === undefined || more.length > 0) {
    const times = text.split(fault.find).length - 1;
    throw new Error(
      `Cannot seed fault "${fault.name}": its text to find occurs ${times} times in ${fault.file}; allowed: once`,
    );
  }
  return `${before}${fault.replace}${after}`;
}
