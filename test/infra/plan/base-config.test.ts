import { describe, expect, it } from 'vitest';
import { baseConfig } from '../../../infra/plan/base-config.ts';
import { modelParameters } from '../../../activities/nn/models/parameters.ts';
import { presets } from '../../../schemas/presets.ts';

describe('a published base', () => {
  // As counted of the files on Hugging Face; the 2B's output projection is its embedding table, counted once.
  it.each([
    ['Qwen2-VL-2B-Instruct', 2_208_985_600],
    ['Qwen2-VL-7B-Instruct', 8_291_375_616],
    ['Qwen2.5-VL-7B-Instruct', 8_292_166_656],
    ['Lingshu-7B', 8_292_166_656],
  ])('%s has as many parameters as its files', async (name, count) => {
    const { base } = presets['paper-2b'];
    const config = await baseConfig({ ...base, path: `models/${name}` } as typeof base, undefined);
    const sizes = modelParameters(config).map(({ shape }) => shape.reduce((size, side) => size * side, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
  });
});
