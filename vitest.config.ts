import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // TensorFlow takes two threads in each file that loads it, and Temporal and S3 servers run beside.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: ['test/_global-setup.ts'],
    reporters: ['default', './test/_count-reporter.ts'],
  },
});
