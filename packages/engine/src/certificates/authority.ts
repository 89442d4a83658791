import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import type { Authority } from '../ports/egress.ts';
import { bits, boolean, explicit, implicit, integer, objectId, octets, sequence, setOf, time, utf8 } from './der.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Certificates hold from a day ago, because the clock of a guest may be behind ours. */
const beforeMs = dayMs;
/** Guests keep an authority for as long as they exist, also asleep. */
const authorityMs = 10 * 365 * dayMs;
/** How long the certificate of a server holds, ms. */
const serverCertificateMs = 7 * dayMs;
/** Longest common name (RFC 5280, upper bounds). */
const longestCommonName = 64;

const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'));
const version3 = explicit(0, integer(Buffer.from([2])));
const [keyCertSign, digitalSignature] = [bits(Buffer.from([0x04]), 2), bits(Buffer.from([0x80]), 7)];

/** A new authority for one sandbox, with a P-256 key. It signs certificates of servers and no other authorities. */
export function makeAuthority(now = Date.now()): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = keyIdOf(publicKey);
  const name = nameWith(`NovaSandbox ${keyId.toString('hex', 0, 8)}`);
  const certificate = issue({
    publicKey,
    signer: privateKey,
    issuer: name,
    subject: name,
    from: now - beforeMs,
    until: now + authorityMs,
    extensions: [
      // An authority that has no authorities below it.
      extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.from([0])))),
      extension('2.5.29.15', true, keyCertSign),
      extension('2.5.29.14', false, octets(keyId)),
      extension('2.5.29.35', false, sequence(implicit(0, keyId))),
    ],
  });
  return { certificate, key: pemOf(privateKey) };
}

/** Makes certificates of servers, each for exactly one name. They share one key, so that making one costs little. */
export interface Issuer {
  issueFor(name: string): Authority;
}

export function issuerOf({ certificate, key }: Authority): Issuer {
  const signer = createPrivateKey(key);
  const authorityKeyId = keyIdOf(createPublicKey(signer));
  const issuer = subjectOf(new X509Certificate(certificate));
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyId = keyIdOf(publicKey);
  const serverKey = pemOf(privateKey);
  return {
    issueFor(name) {
      const now = Date.now();
      const extensions = [
        extension('2.5.29.19', true, sequence()),
        extension('2.5.29.15', true, digitalSignature),
        // For servers of TLS.
        extension('2.5.29.37', false, sequence(objectId('1.3.6.1.5.5.7.3.1'))),
        extension('2.5.29.17', false, sequence(implicit(2, Buffer.from(name)))),
        extension('2.5.29.14', false, octets(keyId)),
        extension('2.5.29.35', false, sequence(implicit(0, authorityKeyId))),
      ];
      const subject = nameWith(name.length <= longestCommonName ? name : 'NovaSandbox');
      const times = { from: now - beforeMs, until: now - beforeMs + serverCertificateMs };
      return { certificate: issue({ publicKey, signer, issuer, subject, ...times, extensions }), key: serverKey };
    },
  };
}

interface Content {
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly from: number;
  readonly until: number;
  readonly extensions: readonly Buffer[];
}

/** A certificate of version 3 (RFC 5280, 4.1), as PEM. */
function issue({ publicKey, signer, issuer, subject, from, until, extensions }: Content): string {
  const signed = sequence(
    version3,
    integer(randomBytes(16)),
    ecdsaWithSha256,
    issuer,
    sequence(time(new Date(from)), time(new Date(until))),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions)),
  );
  const signature = sign('sha256', signed, { key: signer, dsaEncoding: 'der' });
  const der = sequence(signed, ecdsaWithSha256, bits(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const nameWith = (commonName: string): Buffer => sequence(setOf(sequence(objectId('2.5.4.3'), utf8(commonName))));

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  sequence(objectId(id), ...(critical ? [boolean(true)] : []), octets(value));

/** The first method of RFC 5280, 4.2.1.2: the hash of the key's bits, which are the last 65 bytes of its SPKI. */
const keyIdOf = (publicKey: KeyObject): Buffer =>
  createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }).subarray(-65))
    .digest();

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** Its subject is as `nameWith` writes it. */
const subjectOf = ({ subject }: X509Certificate): Buffer => nameWith(subject.replace(/^CN=/, ''));

/**
 * The name under which OpenSSL looks for an authority in a folder of certificates: the hash of its subject in its
 * canonical form, which has small letters.
 */
export function folderNameOf({ certificate }: Pick<Authority, 'certificate'>): string {
  const [, name = ''] = /^CN=(.*)$/.exec(new X509Certificate(certificate).subject) ?? [];
  const canonical = setOf(sequence(objectId('2.5.4.3'), utf8(name.toLowerCase())));
  const hash = createHash('sha1').update(canonical).digest().readUInt32LE(0);
  return `${hash.toString(16).padStart(8, '0')}.0`;
}
