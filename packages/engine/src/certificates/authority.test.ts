import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folderNameOf, issuerOf, makeAuthority } from './authority.ts';
import { integer, objectId, sequence, time } from './der.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nova-authority-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(scratch, name), text);
  return join(scratch, name);
};

test('OpenSSL finds a certificate valid for its one name, in its strict mode', () => {
  const authority = makeAuthority();
  const { certificate } = issuerOf(authority).issueFor('api.example.com');
  const [trusted, own] = [file('ca.pem', authority.certificate), file('own.pem', certificate)];
  const verify = (name: string): string =>
    execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', trusted, '-verify_hostname', name, own], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  assert.match(verify('api.example.com'), /OK/);
  assert.throws(() => verify('example.com'));
  assert.throws(() => verify('x.api.example.com'));
});

test('certificates of one authority are not valid by another, and hold from a day ago for seven days', () => {
  const [one, other] = [makeAuthority(), makeAuthority()];
  const issued = new X509Certificate(issuerOf(one).issueFor('a.example').certificate);
  const [by, notBy] = [new X509Certificate(one.certificate), new X509Certificate(other.certificate)];
  assert.equal(issued.verify(by.publicKey), true);
  assert.equal(issued.verify(notBy.publicKey), false);
  assert.notEqual(by.subject, notBy.subject);
  assert.deepEqual([by.ca, issued.ca], [true, false]);
  const hours = (text: string): number => Math.round((Date.parse(text) - Date.now()) / 3_600_000);
  assert.deepEqual([hours(issued.validFrom), hours(issued.validTo)], [-24, 6 * 24]);
  const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.example`;
  assert.equal(new X509Certificate(issuerOf(one).issueFor(long).certificate).checkHost(long), long);
});

test('OpenSSL finds an authority by its name in a folder', () => {
  const { certificate } = makeAuthority();
  const path = file('found.pem', certificate);
  assert.equal(
    `${execFileSync('openssl', ['x509', '-hash', '-noout', '-in', path], { encoding: 'utf8' }).trim()}.0`,
    folderNameOf({ certificate }),
  );
  symlinkSync(path, join(scratch, folderNameOf({ certificate })));
  assert.match(execFileSync('openssl', ['verify', '-CApath', scratch, path], { encoding: 'utf8' }), /OK/);
});

test('numbers, names of objects, lengths and times are written as DER has them', () => {
  const hex = (bytes: Buffer): string => bytes.toString('hex');
  assert.equal(hex(integer(Buffer.from([0, 0, 1]))), '020101');
  assert.equal(hex(integer(Buffer.from([0x80]))), '02020080');
  assert.equal(hex(objectId('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
  assert.equal(hex(sequence(Buffer.alloc(200))).slice(0, 6), '3081c8');
  assert.equal(hex(sequence(Buffer.alloc(300))).slice(0, 8), '3082012c');
  assert.equal(time(new Date('2026-01-02T03:04:05Z')).toString('latin1'), '\x17\x0d260102030405Z');
  assert.equal(time(new Date('2050-01-02T03:04:05Z')).toString('latin1'), '\x18\x0f20500102030405Z');
});
