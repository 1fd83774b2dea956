/** A number with five digits of precision as C's `%.5g`: 65536, 1.0486e+06. */
export function printFive(value: number): string {
  if (value === 0) return '0';
  const [digits = '', exponent = '0'] = value.toExponential(4).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 5) return String(Number(value.toPrecision(5)));
  const sign = power < 0 ? '-' : '+';
  return `${String(Number(digits))}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** A share of a whole, `5 (8%)`; halves of a percent go to the even side, as C's `%.f` rounds. */
export function printShare(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  const low = Math.floor(percent);
  const rest = percent - low;
  const rounded = rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
  return `${printFive(part)} (${rounded}%)`;
}
