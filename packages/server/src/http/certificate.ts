import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { NovaError } from '@novasandbox/protocol';

export interface CertificateFiles {
  readonly cert_file: string;
  readonly key_file: string;
}

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2';
}

/**
 * Reads the certificate and its key from their files. Throws `invalid_argument` when a file cannot be read or does not
 * hold what it should, or when the two do not belong together.
 */
export function readCertificate({ cert_file, key_file }: CertificateFiles): Certificate {
  const certificate = { cert: read('cert_file', cert_file), key: read('key_file', key_file), minVersion } as const;
  try {
    createSecureContext(certificate);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NovaError('invalid_argument', `server.tls: ${cert_file} and ${key_file} are no pair: ${why}`, {
      hint: 'Name a PEM file with the certificate chain and one with its unencrypted private key.',
      cause: error,
    });
  }
  return certificate;
}

const minVersion = 'TLSv1.2';

function read(field: keyof CertificateFiles, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new NovaError('invalid_argument', `server.tls.${field}: ${file} cannot be read.`, { cause: error });
  }
}
