/**
 * Calico's selector language (Calico documentation, "Selectors"), read straight into a question about labels: no tree,
 * no index, nothing to be optimised.
 */
export type Labels = Readonly<Record<string, string>>;

/** What `all()` and `global()` say of the thing being asked about; both are true of anything in a plain selector. */
export interface Words {
  readonly all: boolean;
  readonly global: boolean;
}

type Question = (labels: Labels, words: Words) => boolean;

const plain: Words = { all: true, global: true };

/** True when the labels satisfy the selector; the empty selector is satisfied by everything. Throws on bad text. */
export function selects(selector: string, labels: Labels, words: Words = plain): boolean {
  const question = questions.get(selector) ?? read(selector);
  questions.set(selector, question);
  return question(labels, words);
}

/** Selectors already read, by their text. */
const questions = new Map<string, Question>();

function read(selector: string): Question {
  const reader = new Reader(selector);
  if (reader.atEnd()) return (_, words) => words.all;
  const question = anyOf(reader);
  if (!reader.atEnd()) throw reader.error('the end');
  return question;
}

/** Goes through a text from left to right, skipping spaces and tabs before each piece. */
class Reader {
  private place = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The piece at the current place if it has this form, else undefined and nothing is consumed. */
  take(form: RegExp): string | undefined {
    const rest = this.text.slice(this.place);
    const found = new RegExp(`^[ \\t]*(${form.source})`).exec(rest);
    if (found === null) return undefined;
    this.place += found[0].length;
    return found[1];
  }

  need(form: RegExp, name: string): string {
    const piece = this.take(form);
    if (piece === undefined) throw this.error(name);
    return piece;
  }

  atEnd(): boolean {
    return this.text.slice(this.place).trim() === '';
  }

  error(expected: string): Error {
    return new Error(`Cannot read selector: text is "${this.text}"; expected ${expected} at ${this.place}`);
  }
}

function anyOf(reader: Reader): Question {
  const choices = [allOf(reader)];
  while (reader.take(/\|\|/) !== undefined) choices.push(allOf(reader));
  return (labels, words) => choices.some(choice => choice(labels, words));
}

function allOf(reader: Reader): Question {
  const demands = [single(reader)];
  while (reader.take(/&&/) !== undefined) demands.push(single(reader));
  return (labels, words) => demands.every(demand => demand(labels, words));
}

function single(reader: Reader): Question {
  if (reader.take(/!/) !== undefined) {
    const inner = single(reader);
    return (labels, words) => !inner(labels, words);
  }
  if (reader.take(/has\(/) !== undefined) {
    const label = reader.need(/[A-Za-z0-9_./-]+/, 'a label');
    reader.need(/\)/, ')');
    return labels => labels[label] !== undefined;
  }
  if (reader.take(/all\(/) !== undefined) {
    reader.need(/\)/, ')');
    return (_, words) => words.all;
  }
  if (reader.take(/global\(/) !== undefined) {
    reader.need(/\)/, ')');
    return (_, words) => words.global;
  }
  if (reader.take(/\(/) !== undefined) {
    const inner = anyOf(reader);
    reader.need(/\)/, ')');
    return inner;
  }
  return comparison(reader);
}

function comparison(reader: Reader): Question {
  const label = reader.need(/[A-Za-z0-9_./-]+/, 'a label');
  const operator = reader
    .need(/==|!=|contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in/, 'a comparison such as == or in')
    .replace(/[ \t]/g, '');
  if (operator === 'in' || operator === 'notin') {
    const members = setOfStrings(reader);
    const wanted = operator === 'in';
    return labels => members.includes(labels[label] ?? missing) === wanted;
  }
  const text = quoted(reader);
  switch (operator) {
    case '==':
      return labels => labels[label] === text;
    case '!=':
      return labels => labels[label] !== text;
    case 'contains':
      return labels => labels[label]?.includes(text) ?? false;
    case 'startswith':
      return labels => labels[label]?.startsWith(text) ?? false;
    default:
      return labels => labels[label]?.endsWith(text) ?? false;
  }
}

/** Stands for a label that is not there; no quoted string can equal it, since a string cannot hold both quotes. */
const missing = `"'`;

function setOfStrings(reader: Reader): string[] {
  const members: string[] = [];
  reader.need(/\{/, '{');
  while (reader.take(/\}/) === undefined) {
    members.push(quoted(reader));
    if (reader.take(/,/) === undefined) {
      reader.need(/\}/, '}');
      break;
    }
  }
  return members;
}

function quoted(reader: Reader): string {
  return reader.need(/"[^"]*"|'[^']*'/, 'a string in quotes').slice(1, -1);
}
