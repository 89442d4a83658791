import type { DriverMeans } from '../ports/driver-means.ts';
import type { ProbeOptions } from '../ports/vmm-driver.ts';
import type { Confiner, VisibleFile } from './confine.ts';
import type { Launcher } from './launcher.ts';
import type { VmmUsers } from './vmm-users.ts';

/** The options of our own drivers. The optional ones are for tests, in which a script stands in for a VMM. */
export interface DriverOptions extends DriverMeans {
  readonly launcher: Launcher;
  readonly users: VmmUsers;
  /** Builds the program that confines VMMs where it is missing. It is called only where we are root. */
  readonly confiner: (options: Pick<ProbeOptions, 'signal' | 'progress'>) => Promise<Confiner>;
  /** The folder in which `nova setup` installs VMMs (binary.ts). */
  readonly vmmDirectory: string;
  /** More files that the VMM sees; default: none. */
  readonly alsoVisible?: readonly VisibleFile[];
  /** Says what the VMM needs and this host lacks, or null; default: the driver checks the host. */
  readonly whyNotHere?: () => string | null;
  /** Whether the VMM runs in its own jailer, where it has one and this process may use it; default: true. */
  readonly jailed?: boolean;
}
