/**
 * A certificate authority and the one certificate that it signs.
 * Source: RFC 5280 (certificates), RFC 5758 (ECDSA with SHA-256).
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { addrToBytes, parseAddr } from '@calico/ip';
import { bits, der, integer, octets, oid, sequence, setOf, TRUE, time, utf8 } from './der.ts';

/** PEM texts of a new certificate authority and of a server certificate that it signed. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const spki = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' });
const keyId = (key: KeyObject): Uint8Array => createHash('sha1').update(spki(key)).digest();
const name = (commonName: string): Uint8Array => sequence(setOf(sequence(oid('2.5.4.3'), utf8(commonName))));

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical ? sequence(oid(id), TRUE, octets(value)) : sequence(oid(id), octets(value));
}

/** GeneralName: dNSName [2] or iPAddress [7]. */
function alternativeName(host: string): Uint8Array {
  const address = parseAddr(host);
  return address === undefined ? der(0x82, Buffer.from(host)) : der(0x87, addrToBytes(address));
}

function certificate(content: {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly from: number;
  readonly to: number;
  readonly extensions: readonly Uint8Array[];
}): Uint8Array {
  const toBeSigned = sequence(
    der(0xa0, integer(Uint8Array.of(2))), // version 3
    integer(Uint8Array.of(0x40, ...randomBytes(15))),
    ECDSA_SHA256,
    name(content.issuer),
    sequence(time(content.from), time(content.to)),
    name(content.subject),
    spki(content.key),
    der(0xa3, sequence(...content.extensions)),
  );
  return sequence(toBeSigned, ECDSA_SHA256, bits(sign('sha256', toBeSigned, content.signer)));
}

/**
 * Makes an authority (ECDSA P-256) and a server certificate for `hosts`, names or addresses, both good for `days` (3,650
 * unless told). The authority's key is thrown away: nothing else can ever be signed by it. `now` is the wall time in ms.
 */
export function createCertificates(options: {
  readonly hosts: readonly string[];
  readonly now: number;
  readonly days?: number;
}): Certificates {
  const authority: KeyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server: KeyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = 'calico-embedded-ca';
  const signer = authority.privateKey;
  const from = options.now - 60 * 60 * 1000; // An hour of grace for clocks that run behind.
  const to = options.now + (options.days ?? 3650) * DAY_MS;
  const common = { issuer, signer, from, to };
  const authorityKeyId = extension('2.5.29.35', false, sequence(der(0x80, keyId(authority.publicKey))));
  const ca = certificate({
    ...common,
    subject: issuer,
    key: authority.publicKey,
    extensions: [
      extension('2.5.29.19', true, sequence(TRUE, integer(Uint8Array.of(0)))), // CA, signs no further CA
      extension('2.5.29.15', true, bits(Uint8Array.of(0x06), 1)), // keyCertSign, cRLSign
      extension('2.5.29.14', false, octets(keyId(authority.publicKey))),
    ],
  });
  const cert = certificate({
    ...common,
    subject: 'calico-embedded-apiserver',
    key: server.publicKey,
    extensions: [
      extension('2.5.29.19', true, sequence()), // not a CA
      extension('2.5.29.15', true, bits(Uint8Array.of(0x80), 7)), // digitalSignature
      extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), // serverAuth
      extension('2.5.29.17', false, sequence(...options.hosts.map(alternativeName))),
      authorityKeyId,
    ],
  });
  return {
    ca: pem('CERTIFICATE', ca),
    cert: pem('CERTIFICATE', cert),
    key: pem('PRIVATE KEY', server.privateKey.export({ type: 'pkcs8', format: 'der' })),
  };
}
