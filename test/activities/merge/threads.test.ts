import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { MergeThreads } from '../../../activities/merge/merge.ts';
import type { VectorSource } from '../../../activities/merge/task-vector.ts';
import { openThreads, ThreadDied } from '../../../activities/nn/runtime/threads.ts';
import type { MergeParams } from '../../../schemas/merge-params.ts';
import { mergeAll, random, trained } from './_merge.ts';

const module = new URL('../../../activities/merge/tasks.ts', import.meta.url);
const [rank, outputs, inputs] = [4, 900, 1400];
const sources = [1, 2, 3].map((seed) => ({
  name: `${seed}`,
  weight: seed,
  adapter: trained(rank, random(seed, rank * inputs), random(9 * seed, outputs * rank)),
}));
const setting = {
  shapes: { 'm.weight': [outputs, inputs] },
  base: { 'm.weight': random(99, outputs * inputs) },
  from: 'BF16',
  to: 'BF16',
} as const;

const sha256 = (data: Uint8Array | Float32Array): string => createHash('sha256').update(data).digest('hex');

const fingerprint = async (
  of: readonly VectorSource[],
  params: Partial<MergeParams>,
  threads?: MergeThreads,
): Promise<unknown> => {
  const merged = await mergeAll(of, params, { ...setting, ...(threads ? { threads } : {}) });
  const { bytes, vector, rounding } = merged['m.weight']!;
  return [sha256(bytes), sha256(vector), rounding];
};

describe('merging with threads', () => {
  it('gives the same bits and the same report whatever their number', async () => {
    const methods: Partial<MergeParams>[] = [
      { method: 'ties' },
      { method: 'ties', trim: 'global' },
      { method: 'dare-ties', seed: 3 },
    ];
    await using one: MergeThreads = openThreads(module, 1);
    await using three: MergeThreads = openThreads(module, 3);
    for (const params of methods) {
      const alone = await fingerprint(sources, params);
      expect(await fingerprint(sources, params, one)).toEqual(alone);
      expect(await fingerprint(sources, params, three)).toEqual(alone);
    }
    const pair = sources.slice(0, 2);
    const alone = await fingerprint(pair, { method: 'slerp' });
    expect(await fingerprint(pair, { method: 'slerp' }, three)).toEqual(alone);
  });

  it('stops when cancelled between tensors', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    await expect(mergeAll(sources, {}, { ...setting, signal })).rejects.toThrow('cancelled');
  });

  it('ends with the threads: what they had to do is rejected', async () => {
    const threads: MergeThreads = openThreads(module, 2);
    const merging = mergeAll(sources, {}, { ...setting, threads });
    const failed = expect(merging).rejects.toThrow(ThreadDied);
    await threads[Symbol.asyncDispose]();
    await failed;
    await expect(mergeAll(sources, {}, { ...setting, threads })).rejects.toThrow(ThreadDied);
  });

  it('rejects with what a thread throws', async () => {
    await using threads: MergeThreads = openThreads(module, 2);
    await expect(threads.run({ kind: 'combine' } as never, 3)).rejects.toThrow(TypeError);
    await using missing: MergeThreads = openThreads(new URL('missing.ts', import.meta.url), 1);
    await expect(missing.run({ kind: 'combine' } as never, 3)).rejects.toThrow(/missing\.ts ended/);
  });
});
