import type { Queues } from '../../schemas/pipeline-input.ts';
import type { TemporalConfig } from '../../schemas/temporal-config.ts';

export const QUEUE_NAMES = ['orchestrate', 'wait', 'cpu', 'gpu'] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

/** Names of a store's task queues: two stores on one Temporal server never take each other's work. */
export const queuesOf = ({ taskQueues: { prefix } }: TemporalConfig, storeId: string): Queues => ({
  orchestrate: `${prefix}-${storeId}-orchestrate`,
  wait: `${prefix}-${storeId}-wait`,
  cpu: `${prefix}-${storeId}-cpu`,
  gpu: `${prefix}-${storeId}-gpu`,
});
