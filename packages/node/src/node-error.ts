/** A node that cannot start as it is set up: its message names the setting, what is allowed and what to do next. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
}

/** The refusal of a variable of the environment. */
export function badVariable(variable: string, value: string, allowed: string): NodeError {
  return new NodeError(`Cannot start: ${variable} is "${value}"; allowed: ${allowed}`);
}
