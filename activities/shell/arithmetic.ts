import { Compute, type ResolvedCompute } from '../../schemas/config/compute.ts';
import type { ProductProbe } from '../../schemas/product-probe.ts';
import { machineFacts } from './environment.ts';
import { probeProducts } from './product-probe.ts';

/** Less than this is not worth less exact products. */
const GAIN = 1.1;

/** bfloat16 where it is faster at every number of rows, and not by chance. */
export const fasterArithmetic = ({ speeds }: Pick<ProductProbe, 'speeds'>): ResolvedCompute['arithmetic'] =>
  speeds.every(({ float32, bfloat16 }) => bfloat16 > GAIN * float32) ? 'bfloat16' : 'float32';

/** Whether there are instructions for products in bfloat16; without them they only cost, and nothing is measured. */
export const multipliesBfloat16 = ({ cpu = '', accelerator }: Readonly<Record<string, string>>): boolean =>
  /bf16/.test(cpu) || accelerator !== 'cpu';

/**
 * Decides what `auto` means on this machine; `probes` is the folder of measured speeds. Throws a `ZodError` where dtype and
 * arithmetic contradict each other, and `ProbeFailed` where the machine cannot be measured.
 */
export async function resolveCompute(compute: unknown, probes: string): Promise<ResolvedCompute> {
  const { arithmetic, ...rest } = Compute.parse(compute);
  if (arithmetic !== 'auto') return { ...rest, arithmetic };
  if (rest.dtype === 'float32' || !multipliesBfloat16(await machineFacts()))
    return { ...rest, arithmetic: 'float32' };
  return { ...rest, arithmetic: fasterArithmetic(await probeProducts(probes, rest.intraOpThreads)) };
}
