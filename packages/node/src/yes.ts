/** A variable that says yes or no, as Calico reads them: false, 0, no, n and f are no, anything else is yes. */
export function isYes(text: string | undefined, absent: boolean): boolean {
  if (text === undefined) return absent;
  return !['false', '0', 'no', 'n', 'f'].includes(text.toLowerCase());
}
