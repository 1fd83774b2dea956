/** Selector text that cannot be read (or a node that cannot be printed). */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
  /** What is wrong, without the text: `expected &&`. The words are those of Calico. */
  readonly reason: string;
  /** Where in the text, in UTF-16 units from 0. */
  readonly position: number;

  constructor(text: string, reason: string, position: number) {
    super(`Cannot parse selector "${text}": ${reason} at position ${position}`);
    this.reason = reason;
    this.position = position;
  }
}
