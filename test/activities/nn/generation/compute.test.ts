import { describe, expect, it } from 'vitest';
import { openAnswerer } from '../../../../activities/nn/generation/answerer.ts';
import type { Completion } from '../../../../activities/nn/generation/completion.ts';
import { forwardPrompt } from '../../../../activities/nn/generation/forward-prompt.ts';
import { openInferenceModel } from '../../../../activities/nn/runtime/inference-model.ts';
import type { ResolvedCompute } from '../../../../schemas/config/compute.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { inFloat32 } from '../../_compute.ts';

const FAMILIES = ['qwen2_vl', 'qwen2_5_vl'] as const;
const ROUNDED = { ...inFloat32, dtype: 'bfloat16' } as const;
const IN_BFLOAT16 = { ...ROUNDED, arithmetic: 'bfloat16' } as const;
const COMPILED = { ...inFloat32, execution: 'xla' } as const;

describe.skipIf(!hasShared).each(FAMILIES)('the golden %s with an adapter', (family) => {
  const folder = shared(`golden/${family}`);
  const open = async () => {
    const model = await openInferenceModel({ model: folder, adapter: `${folder}/adapter` });
    const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'Describe the mass.' }];
    const image = shared('golden/image-0.png');
    return { model, prompt: await model.encode('one', [{ role: 'user', content }], [image], '/') };
  };

  const sampled = async (compute: ResolvedCompute): Promise<Completion[]> => {
    const { model, prompt } = await open();
    await using _closed = model;
    using answerer = await openAnswerer({
      ...model,
      compute,
      prompts: [prompt],
      maxNewTokens: 5,
      sampled: true,
      group: 2,
    });
    const [completions = []] = await answerer.answer({
      maxNewTokens: 5,
      stopTokens: [],
      temperature: 1,
      seed: 1,
    });
    return completions;
  };

  const logits = async (compute: ResolvedCompute): Promise<Float32Array> => {
    const { model, prompt } = await open();
    await using _closed = model;
    const found = await forwardPrompt({ ...model, compute }, prompt);
    return found.get('logits')?.data as Float32Array;
  };

  /** Root mean square of the difference over that of the values. */
  const error = (a: Float32Array, b: Float32Array): number => {
    const square = (x: Float32Array): number => x.reduce((sum, v) => sum + v * v, 0);
    return Math.sqrt(square(a.map((x, i) => x - b[i]!)) / square(b));
  };

  it('answers in bfloat16, the same twice', async () => {
    for (const compute of [ROUNDED, IN_BFLOAT16]) {
      const completions = await sampled(compute);
      expect(completions.map(({ tokens }) => tokens.length)).toEqual([5, 5]);
      expect(completions.flatMap(({ logps }) => logps).every((p) => p <= 0)).toBe(true);
      expect(await sampled(compute)).toEqual(completions);
    }
  });

  it('gives logits near those of float32 in bfloat16, and nearer when XLA compiles it', async () => {
    const exact = await logits(inFloat32);
    const rounded = error(await logits(ROUNDED), exact);
    expect(rounded).toBeGreaterThan(1e-5);
    expect(rounded).toBeLessThan(0.02);
    expect(error(await logits(IN_BFLOAT16), exact)).toBeLessThan(0.03);
    expect(error(await logits(COMPILED), exact)).toBeLessThan(1e-5);
  });
});
