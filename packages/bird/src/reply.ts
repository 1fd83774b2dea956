import { BirdError } from './error.ts';

/** One line of an answer with its code: 0xxx is how it went, 1xxx data, 2xxx a table's heading, 8xxx and 9xxx errors. */
export interface ReplyLine {
  readonly code: number;
  readonly text: string;
}

/**
 * Puts what BIRD's socket sends together to answers. A line is `dddd-text` or, as the last of an answer, `dddd text`; one that
 * begins with a space repeats the code before it, one with `+` is news that nobody asked for. BIRD: doc/reply_codes
 */
export class ReplyReader {
  #rest = '';
  #lines: ReplyLine[] = [];

  /** Takes the next piece of text, however cut; gives the answers that are complete. Throws BirdError Malformed. */
  read(piece: string): ReplyLine[][] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    const replies: ReplyLine[][] = [];
    for (const line of lines) {
      if (line.startsWith('+')) continue;
      if (line.startsWith(' ')) {
        const code = this.#lines.at(-1)?.code;
        if (code === undefined) throw malformed(line);
        this.#lines.push({ code, text: line.slice(1) });
        continue;
      }
      const [, code, mark, text = ''] = /^(\d{4})([ -])(.*)$/.exec(line) ?? [];
      if (code === undefined) throw malformed(line);
      this.#lines.push({ code: Number(code), text });
      if (mark === ' ') {
        replies.push(this.#lines);
        this.#lines = [];
      }
    }
    return replies;
  }
}

function malformed(line: string): BirdError {
  return new BirdError('Malformed', `Cannot read BIRD's answer: line is ${JSON.stringify(line)}; allowed: dddd-text`);
}
