/**
 * A fresh LoRA adapter as PEFT starts it: A uniform in ±1/√in (kaiming uniform with a = √5), B zero, so that the model
 * with the adapter equals the model without it. Each tensor's numbers depend on the seed and its own name only.
 * Reference: PEFT `tuners/lora/layer.py`, reset_lora_parameters.
 */
import { randomKey, uniform } from '../random.ts';
import type { FlatLayout } from './flat-layout.ts';

/** Values of every tensor of the layout, flat. Names end in `lora_A.weight` [r, in] or `lora_B.weight` [out, r]. */
export const startAdapter = (layout: FlatLayout, seed: number): Float32Array => {
  const flat = new Float32Array(layout.size);
  let at = 0;
  for (const { name, shape } of layout.entries) {
    const [rows = 0, columns = 0] = shape;
    if (/lora_A(\.|$)/.test(name)) {
      const bound = 1 / Math.sqrt(columns);
      flat.set(
        uniform(randomKey(seed, 'lora', name), rows * columns).map((u) => (2 * u - 1) * bound),
        at,
      );
    }
    at += rows * columns;
  }
  return flat;
};
