import { addrFromBytes, printAddr } from '@calico/ip';
import type { CmpOp, Expr } from '@calico/kernel';

// Rules as text for golden files, near to nft's: raw payloads as `@<header>,<first bit>,<bits>`, so that a wrong offset
// shows; sets by name; values as addresses or numbers by their width.

const headers = { link: 'll', network: 'nh', transport: 'th' } as const;
const signs: Readonly<Record<CmpOp, string>> = { eq: '==', neq: '!=', lt: '<', lte: '<=', gt: '>', gte: '>=' };

/** One rule on one line. */
export function printRule(exprs: readonly Expr[]): string {
  const registers = new Map<number, string>();
  return exprs.flatMap(expr => printExpr(expr, registers) ?? []).join(' ');
}

/** What the expression says; undefined where it only loads a register. */
function printExpr(e: Expr, registers: Map<number, string>): string | undefined {
  const put = (dreg: number, text: string) => {
    registers.set(dreg, text);
    return undefined;
  };
  const held = (sreg: number) => registers.get(sreg) ?? `reg ${sreg}`;
  switch (e.kind) {
    case 'meta':
      return put(e.dreg, `meta ${e.key}`);
    case 'ct':
      return put(e.dreg, `ct ${e.key}`);
    case 'fib':
      return put(e.dreg, `fib ${e.flags.join(' . ')} ${e.result}`);
    case 'payload':
      return put(e.dreg, `@${headers[e.base]},${e.offset * 8},${e.length * 8}`);
    case 'bitwise':
      return put(e.dreg, `${held(e.sreg)} & ${printValue(e.mask, held(e.sreg))}`);
    case 'cmp':
      return `${held(e.sreg)} ${signs[e.op]} ${printValue(e.data, held(e.sreg))}`;
    case 'range': {
      const symbol = held(e.sreg);
      return `${symbol} ${signs[e.op]} ${printValue(e.from, symbol)}-${printValue(e.to, symbol)}`;
    }
    case 'lookup': {
      const key = [...registers].filter(([register]) => register >= e.sreg).map(([, text]) => text);
      const words = e.sreg >= 8 ? key.join(' . ') : held(e.sreg);
      registers.clear();
      return e.dreg === undefined ? `${words} ${e.inverted ? '!= ' : ''}@${e.set}` : `${words} vmap @${e.set}`;
    }
    case 'objref':
      return `counter name ${e.name}`;
    case 'log':
      return `log group ${e.group} prefix "${e.prefix}"`;
    case 'verdict':
      return 'chain' in e.verdict ? `${e.verdict.kind} ${e.verdict.chain}` : e.verdict.kind;
    case 'masquerade':
      return `masquerade${e.randomFully ? ' fully-random' : ''}`;
    default:
      return e.kind;
  }
}

/** A value compared with `symbol`: conntrack states and results of fib are numbers in host order. */
function printValue(bytes: Uint8Array, symbol: string): string {
  if (symbol.endsWith('ifname')) return `"${new TextDecoder().decode(bytes)}*"`;
  if (/^(ct|fib) /.test(symbol)) return String(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
  if (bytes.length === 4 || bytes.length === 16) return printAddr(addrFromBytes(bytes));
  return String(bytes.reduce((value, byte) => value * 256 + byte, 0));
}
