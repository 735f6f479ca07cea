import type { z } from 'zod';
import { Compute, type ResolvedCompute } from '../../schemas/config/compute.ts';
import type { ProductProbe } from '../../schemas/product-probe.ts';
import { machineFacts } from './environment.ts';
import { probeProducts } from './product-probe.ts';

/** Settings of computing that contradict each other. */
export class BadCompute extends Error {
  override readonly name = 'BadCompute';
  readonly exitCode = 2;
}

/** Less than this is not worth less exact products. */
const GAIN = 1.1;

/** Whether there are instructions for products in bfloat16; without them they cost time, however a measurement turns out. */
const multipliesBfloat16 = ({ cpu = '', accelerator }: Readonly<Record<string, string>>): boolean =>
  /bf16/.test(cpu) || accelerator !== 'cpu';

/** What `auto` means for weights in bfloat16: bfloat16 where the machine is made for it and measured faster at every size. */
export const autoArithmetic = (
  machine: Readonly<Record<string, string>>,
  { speeds }: Pick<ProductProbe, 'speeds'>,
): ResolvedCompute['arithmetic'] =>
  multipliesBfloat16(machine) && speeds.every(({ float32, bfloat16 }) => bfloat16 > GAIN * float32)
    ? 'bfloat16'
    : 'float32';

/**
 * Decides what `auto` means on this machine; `probes` is the folder of measured speeds. Throws {@link BadCompute} where
 * dtype and arithmetic contradict each other, and `ProbeFailed` where the machine cannot be measured.
 */
export async function resolveCompute(
  compute: z.input<typeof Compute>,
  probes: string,
): Promise<ResolvedCompute> {
  const parsed = Compute.safeParse(compute);
  if (!parsed.success)
    throw new BadCompute(
      parsed.error.issues.map(({ path, message }) => `compute.${path.join('.')} ${message}`).join('; '),
    );
  const { arithmetic, ...rest } = parsed.data;
  if (arithmetic !== 'auto') return { ...rest, arithmetic };
  if (rest.dtype === 'float32') return { ...rest, arithmetic: 'float32' };
  const facts = await machineFacts();
  if (!multipliesBfloat16(facts)) return { ...rest, arithmetic: 'float32' };
  return { ...rest, arithmetic: autoArithmetic(facts, await probeProducts(probes, rest.intraOpThreads)) };
}
