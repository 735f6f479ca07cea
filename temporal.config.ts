import { defineConfig } from './schemas/temporal-config.ts';

/**
 * Where runs are orchestrated and kept. Addresses come from the environment (TEMPORAL_ADDRESS, S3_ENDPOINT) or from a
 * profile of temporal.toml; without them, `mmedexpert up` starts both servers on this machine. Credentials come from
 * the environment alone (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, TEMPORAL_API_KEY).
 */
export default defineConfig({
  connection: {},
  namespace: 'default',
  taskQueues: {
    prefix: 'mmedexpert',
    orchestrate: { slots: 32 },
    wait: { slots: 1000 },
    cpu: { slots: 4 },
    gpu: { slots: 1 },
  },
  timeouts: {
    heartbeatMs: 15_000,
    stageMs: 7 * 24 * 3_600_000,
    shutdownMs: 30_000,
  },
  shardsInFlight: 8,
  store: { bucket: 'mmedexpert', region: 'us-east-1' },
});
