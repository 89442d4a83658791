import type { VersionFacts } from './versions.ts';

/** A program that NovaSandbox starts and does not include. */
export interface VmmProgram {
  /** The name of its file. */
  readonly name: string;
  /** The environment variable that names another file; null where only PATH decides. */
  readonly variable: string | null;
  /** The release with which `nova setup` installs it; null where the system's packages contain it. */
  readonly release: string | null;
  /** The command that installs it, for people. */
  readonly install: string;
}

/**
 * Facts about a VMM that are known before it is searched, as data: programs, versions, and its requirements on the
 * host.
 */
export interface Vmm {
  /** Its name in tables and on the command line of `nova setup`. */
  readonly name: string;
  /** Its name in sentences. */
  readonly title: string;
  readonly programs: readonly VmmProgram[];
  readonly versions: VersionFacts;
  /** Whether it runs only on KVM, runs better with it, or never uses it. */
  readonly kvm: 'needed' | 'used' | 'unused';
  /** How to get it, for people who have none. */
  readonly remedy: string;
  /** How to get a version that does better, by the suite of Debian that the host runs. */
  readonly betterFrom?: Readonly<Record<string, string>>;
}
