export { pipeline } from './pipeline.ts';
export { shards } from './shards.ts';
export { step } from './step.ts';
