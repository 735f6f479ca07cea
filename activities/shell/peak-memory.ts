import process from 'node:process';

/** The most memory that this process has held so far, in bytes of resident memory. */
export const peakMemory = (): number => process.resourceUsage().maxRSS * 1024;
