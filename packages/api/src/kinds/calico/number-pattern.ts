/** A regular expression for the whole numbers from 0 to `max`, written without leading zeros; not anchored. */
export function upTo(max: number): string {
  const digits = String(max);
  const shorter = digits.length === 1 ? [] : ['[0-9]'];
  if (digits.length === 3) shorter.push('[1-9][0-9]');
  if (digits.length > 3) shorter.push(`[1-9][0-9]{1,${digits.length - 2}}`);
  return `(${[...shorter, ...upToSameLength(digits)].join('|')})`;
}

/** The numbers of as many digits as `digits`, the first of them not 0, up to it. */
function upToSameLength(digits: string): string[] {
  const parts: string[] = [];
  for (let i = 0; i < digits.length; i++) {
    const least = i === 0 && digits.length > 1 ? 1 : 0;
    const last = i === digits.length - 1;
    const most = Number(digits[i]) - (last ? 0 : 1);
    if (most < least) continue;
    const range = most === least ? String(most) : `[${least}-${most}]`;
    parts.push(`${digits.slice(0, i)}${range}${repeat('[0-9]', digits.length - i - 1)}`);
  }
  return parts;
}

function repeat(pattern: string, times: number): string {
  return times > 1 ? `${pattern}{${times}}` : times === 1 ? pattern : '';
}
