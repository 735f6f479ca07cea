import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lowRankUpdate } from '../../../activities/merge/low-rank.ts';
import { openVectorOf, withVector, type OpenVector } from '../../../activities/merge/open-vector.ts';
import { unroundedSum } from '../../../activities/merge/unrounded.ts';
import { openCheckpoint } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { normal, randomKey } from '../../../activities/nn/random.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { weightsDigest } from '../../../activities/nn/runtime/weights-digest.ts';
import { hasShared, shared } from '../../_shared.ts';
import { tinyModel } from '../nn/checkpoint/_tiny-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'unrounded-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const TOUCHED = 'model.layers.0.mlp.up_proj.weight';
const OTHER = 'model.layers.0.mlp.down_proj.weight';

const vectorOf = (values: Float32Array): OpenVector => ({
  path: 'vector',
  tensors: new Set([TOUCHED]),
  read: async () => values,
  model: undefined,
  close: async () => {},
});

describe('base plus vector', () => {
  it('keeps an update that bfloat16 would lose, in float32', async () => {
    const base = await openCheckpoint(await tinyModel(true, 'BF16'));
    const before = await base.read(TOUCHED);
    const tau = normal(randomKey(1, 'tau'), before.length).map((x) => x * 1e-6);
    const sum = unroundedSum(base, vectorOf(tau), 0.5);
    expect(await sum.read(TOUCHED)).toEqual(before.map((x, i) => x + Math.fround(0.5 * tau[i]!)));
    expect(sum.tensors.get(TOUCHED)).toMatchObject({ dtype: 'F32' });
    expect(sum.tensors.get(OTHER)).toEqual(base.tensors.get(OTHER));
    expect(await sum.readRaw(OTHER)).toEqual(await base.readRaw(OTHER));
  });

  it('reads the same whole, into an array and in parts, and has weights of its own', async () => {
    const base = await openCheckpoint(await tinyModel(true, 'BF16'));
    const tau = new Float32Array((await base.read(TOUCHED)).length).fill(1e-6);
    const sum = unroundedSum(base, vectorOf(tau));
    for (const name of [TOUCHED, OTHER]) {
      const raw = await sum.readRaw(name);
      const into = new Uint8Array(raw.length);
      await sum.readInto(name, into);
      expect(into).toEqual(raw);
      const parts: Uint8Array[] = [];
      for await (const part of sum.parts(name)) parts.push(part.slice());
      expect(new Uint8Array(Buffer.concat(parts))).toEqual(raw);
    }
    expect(await weightsDigest(sum)).not.toBe(await weightsDigest(base));
  });

  it('multiplies an adapter’s matrices in float64 and rounds once', () => {
    const [rank, inputs, outputs] = [6, 5, 3];
    const [a, b] = ['a', 'b'].map((name, i) => normal(randomKey(2, name), rank * [inputs, outputs][i]!));
    const update = lowRankUpdate({ rank, alpha: 1, inputs, outputs, a: a!, b: b! }, 2);
    const wanted = Array.from({ length: outputs * inputs }, (_, at) => {
      const [n, k] = [Math.floor(at / inputs), at % inputs];
      let total = 0;
      for (let r = 0; r < rank; r++) total += 2 * b![n * rank + r]! * a![r * inputs + k]!;
      return total;
    });
    for (const [i, x] of wanted.entries())
      expect(Math.abs(update[i]! - x)).toBeLessThan(2e-7 * (1 + Math.abs(x)));
  });
});

describe.skipIf(!hasShared)('opening a vector', () => {
  const model = shared('golden/qwen2_vl');

  it('takes an adapter for the vector that it is', async () => {
    const base = await openCheckpoint(nodeFolder(model));
    const vector = await openVectorOf(shared('golden/merge/adapter-AM'), base, await weightsDigest(base));
    expect(vector.tensors.size).toBe(14);
    expect((await vector.read(TOUCHED)).some((x) => x !== 0)).toBe(true);
    await expect(vector.read('model.norm.weight')).rejects.toThrow('does not touch model.norm.weight');
    await base.close();
  });

  it('refuses a folder that holds neither, and a vector of other weights', async () => {
    const base = await openCheckpoint(nodeFolder(model));
    await expect(withVector(model)(base)).rejects.toThrow(/holds neither vector\.safetensors nor an adapter/);
    const foreign = `sha256:${'1'.repeat(64)}`;
    writeFileSync(
      join(scratch, 'vector.safetensors'),
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
    );
    writeFileSync(
      join(scratch, 'provenance.json'),
      JSON.stringify({ version: 1, base: foreign, model: foreign }),
    );
    await expect(withVector(scratch)(base)).rejects.toThrow(`counts from weights ${foreign}`);
    await base.close();
  });
});
