import type { ResolvedCompute } from '../../schemas/config/compute.ts';

/** Weights and products in float32, graphs as traced: what most tests compute with. */
export const inFloat32: ResolvedCompute = {
  dtype: 'float32',
  arithmetic: 'float32',
  intraOpThreads: 1,
  execution: 'graph',
};
