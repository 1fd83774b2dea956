import { Attributes, type MessageWriter } from '../netlink/index.ts';
import * as nft from './constants.ts';
import type { Verdict } from './types.ts';

const codeByKind: Readonly<Record<Verdict['kind'], number>> = {
  accept: nft.NF_ACCEPT,
  drop: nft.NF_DROP,
  continue: nft.NFT_CONTINUE,
  return: nft.NFT_RETURN,
  jump: nft.NFT_JUMP,
  goto: nft.NFT_GOTO,
};

/** Writes NFTA_DATA_VERDICT, the content of a data attribute that holds a verdict. */
export function encodeVerdict(w: MessageWriter, verdict: Verdict): void {
  w.nest(nft.NFTA_DATA_VERDICT, () => {
    w.attrU32be(nft.NFTA_VERDICT_CODE, codeByKind[verdict.kind]);
    if (verdict.kind === 'jump' || verdict.kind === 'goto') w.attrString(nft.NFTA_VERDICT_CHAIN, verdict.chain);
  });
}

/** Reads the payload of NFTA_DATA_VERDICT; undefined for a verdict not known here, such as queue. */
export function decodeVerdict(payload: Uint8Array): Verdict | undefined {
  const attributes = new Attributes(payload);
  const code = (attributes.u32be(nft.NFTA_VERDICT_CODE) ?? 0) | 0;
  const chain = attributes.string(nft.NFTA_VERDICT_CHAIN) ?? '';
  switch (code) {
    case nft.NF_ACCEPT:
      return { kind: 'accept' };
    case nft.NF_DROP:
      return { kind: 'drop' };
    case nft.NFT_CONTINUE:
      return { kind: 'continue' };
    case nft.NFT_RETURN:
      return { kind: 'return' };
    case nft.NFT_JUMP:
      return { kind: 'jump', chain };
    case nft.NFT_GOTO:
      return { kind: 'goto', chain };
    default:
      return undefined;
  }
}

/** A verdict as nft prints it: `accept`, `jump from-pod`. */
export function printVerdict(verdict: Verdict): string {
  return verdict.kind === 'jump' || verdict.kind === 'goto' ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}
