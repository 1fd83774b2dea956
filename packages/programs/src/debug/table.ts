/** What stands in a field of a table. */
export type Cell = string | number | boolean | undefined | readonly string[];

/** An internal table of the agent, as `calico debug tables` prints it. */
export interface DebugTable {
  readonly name: string;
  /** What it holds, in a line. */
  readonly about: string;
  readonly columns: readonly string[];
  /** Brings up to date what the rows are made of. */
  prepare?(): Promise<void>;
  /** What holds for the whole table, such as since when it counts. */
  facts?(): Readonly<Record<string, string | number>>;
  /** Made as far as it is read: the agent goes on in between, so rows may be of different moments. */
  rows(): Iterable<readonly Cell[]>;
}

/** The first line of an answer, in JSON. Rows follow, a line each. */
export interface TableHead {
  readonly table: string;
  readonly about: string;
  readonly node: string;
  /** When it was asked, ISO 8601. */
  readonly at: string;
  readonly facts: Readonly<Record<string, string | number>>;
  readonly columns: readonly string[];
}

/** The last line of an answer that could not be made to its end. */
export interface TableError {
  readonly error: string;
}

/** The last line of an answer. */
export interface TableEnd {
  readonly rows: number;
  /** There are more rows than were asked for. */
  readonly more: boolean;
}
