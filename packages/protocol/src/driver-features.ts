import * as z from 'zod';

/**
 * The features of a hypervisor's driver, as data: callers check these, never a driver's name. Each optional method of a
 * driver or machine exists exactly if its feature is set. A feature that is not named is not offered.
 */
const feature = z.boolean().default(false);

export const driverFeaturesSchema = z.object({
  virtualMachine: feature.describe('The guest has a kernel of its own. False only for the process driver.'),
  pause: feature.describe('Machines can be paused and resumed.'),
  snapshot: feature.describe('Memory and device state can be written to disk.'),
  restore: feature.describe('A machine can be continued from a snapshot, as often as one likes.'),
  sharedMemoryClones: feature.describe('Clones of one snapshot share its unmodified memory pages on the host.'),
  userNetwork: feature.describe(
    "User-mode networking by the VMM: no root, no isolation from the host's own addresses.",
  ),
  natNetwork: feature.describe("Network by the system's own NAT, outbound only: no port of the host leads in."),
  tapNetwork: feature.describe('Network through a tap device in a network namespace of its own.'),
  exchangeableDrives: feature.describe(
    'Drives of a snapshot that its guest does not use can be other files in each clone, of any size: volumes.',
  ),
  liveSnapshot: feature.describe(
    'A snapshot can be taken of any machine, which goes on as it was; without it, of one started for it, which ends.',
  ),
  diffSnapshot: feature.describe('A snapshot can hold only what changed since the last one.'),
  onDemandRestore: feature.describe('A clone runs before its memory has been read: pages come when they are touched.'),
  rateLimits: feature.describe('Drives and networks can be throttled.'),
  balloon: feature.describe('Memory can be taken back from a running guest.'),
  resize: feature.describe('vCPUs and memory can change while the guest runs.'),
  growDrives: feature.describe('Disks can grow while the guest runs.'),
  hotplug: feature.describe('Drives and a network can be added to and taken from a running guest.'),
  firmwareBoot: feature.describe("Boots firmware and the disk's own kernel."),
  foreignArchitectures: feature.describe("Guests of another processor than the host's can be emulated."),
  hyperv: feature.describe('Offers what Windows guests expect of a hypervisor.'),
});
export type DriverFeatures = Readonly<z.infer<typeof driverFeaturesSchema>>;

/** Builds the features of a driver that has the given ones and no others. */
export const driverFeatures = (has: Partial<DriverFeatures>): DriverFeatures => driverFeaturesSchema.parse(has);
