const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** A count of bytes for people: `1.2 MB` (powers of 1000). */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}
