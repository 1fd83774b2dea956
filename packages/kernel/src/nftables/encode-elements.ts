import type { MessageWriter } from '../netlink/index.ts';
import * as nft from './constants.ts';
import { encodeData } from './encode-expr.ts';
import { createFlags, familyNumbers, nftMessage } from './encode-object.ts';
import { isConcatenation } from './field-type.ts';
import { compareKeys, nextKey } from './keys.ts';
import { Refusal } from './refusal.ts';
import type { Element, SetSpec, TableName } from './types.ts';
import { encodeComment } from './userdata.ts';
import { encodeVerdict } from './verdict.ts';

/**
 * How the kernel wants a set's elements: 'single' keys; 'interval' as two elements, the first key and, flagged as an
 * end, the one after the last; 'concat' (a concatenation with intervals) as first and last key in one element.
 */
export type ElementForm = 'single' | 'interval' | 'concat';

/** The form of a set's elements. */
export function elementForm(set: Pick<SetSpec, 'keyType' | 'flags'>): ElementForm {
  if (!set.flags.includes('interval')) return 'single';
  return isConcatenation(set.keyType) ? 'concat' : 'interval';
}

/** A list attribute's length is 16 bits; an element takes at most about 1 kB (key, verdict, comment). */
const LIST_BYTES = 60_000;

/** What the kernel would misread instead of refusing: a range where there are none, or from high to low. */
function assertRange({ key, keyEnd }: Element, form: ElementForm): void {
  if (keyEnd !== undefined && (form === 'single' || compareKeys(key, keyEnd) > 0)) throw new Refusal('EINVAL');
}

function encodeElement(w: MessageWriter, e: Element, form: ElementForm): void {
  assertRange(e, form);
  w.nest(nft.NFTA_LIST_ELEM, () => {
    encodeData(w, nft.NFTA_SET_ELEM_KEY, e.key);
    if (form === 'concat') encodeData(w, nft.NFTA_SET_ELEM_KEY_END, e.keyEnd ?? e.key);
    const { data } = e;
    if (data instanceof Uint8Array) encodeData(w, nft.NFTA_SET_ELEM_DATA, data);
    else if (data?.kind === 'counter') w.attrString(nft.NFTA_SET_ELEM_OBJREF, data.name);
    else if (data !== undefined) w.nest(nft.NFTA_SET_ELEM_DATA, () => encodeVerdict(w, data));
    if (e.timeout !== undefined) w.attrU64be(nft.NFTA_SET_ELEM_TIMEOUT, BigInt(e.timeout));
    if (e.comment !== undefined) w.attr(nft.NFTA_SET_ELEM_USERDATA, encodeComment(e.comment));
  });
  if (form !== 'interval') return;
  // Up to the highest key there is no end to write: the interval is open.
  const end = nextKey(e.keyEnd ?? e.key);
  if (end === undefined) return;
  w.nest(nft.NFTA_LIST_ELEM, () => {
    encodeData(w, nft.NFTA_SET_ELEM_KEY, end);
    w.attrU32be(nft.NFTA_SET_ELEM_FLAGS, nft.NFT_SET_ELEM_INTERVAL_END);
  });
}

/**
 * Writes the messages that add (NFT_MSG_NEWSETELEM) or delete elements, as many as the list's limit of 64 kB asks for;
 * gives their number, 0 for no elements. Throws Refusal EINVAL for a range that the set cannot have.
 */
export function encodeElements(
  w: MessageWriter,
  table: TableName,
  set: string,
  elements: readonly Element[],
  form: ElementForm,
  change: { readonly type: 'add'; readonly create: boolean | undefined } | { readonly type: 'delete' },
): number {
  const type = change.type === 'add' ? nft.NFT_MSG_NEWSETELEM : nft.NFT_MSG_DELSETELEM;
  const flags = change.type === 'add' ? createFlags(change.create) : 0;
  let messages = 0;
  for (let at = 0; at < elements.length; messages++) {
    nftMessage(w, type, flags, familyNumbers[table.family], () => {
      w.attrString(nft.NFTA_SET_ELEM_LIST_TABLE, table.name).attrString(nft.NFTA_SET_ELEM_LIST_SET, set);
      const start = w.length;
      w.nest(nft.NFTA_SET_ELEM_LIST_ELEMENTS, () => {
        for (; at < elements.length && w.length - start < LIST_BYTES; at++) {
          const element = elements[at];
          if (element !== undefined) encodeElement(w, element, form);
        }
      });
    });
  }
  return messages;
}
