import pins from './releases.json' with { type: 'json' };

/** The releases that `nova setup` can fetch. */
export type ReleaseName = keyof typeof pins;
export const releaseNames = Object.keys(pins) as readonly ReleaseName[];
