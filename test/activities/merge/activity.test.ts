import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mergeStage } from '../../../activities/merge/activity.ts';
import { readAdapter, writeAdapter } from '../../../activities/nn/checkpoint/adapter.ts';
import { openCheckpoint } from '../../../activities/nn/checkpoint/checkpoint.ts';
import { codeMap } from '../../../artifacts/code-digest.ts';
import { openSafetensors } from '../../../activities/nn/checkpoint/safetensors-file.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import { weightsDigest } from '../../../activities/nn/runtime/weights-digest.ts';
import { MergeParams } from '../../../schemas/merge-params.ts';
import { MergeReport } from '../../../schemas/merge-report.ts';
import { hasShared, shared } from '../../_shared.ts';
import { inFloat32 } from '../_compute.ts';

const scratch = mkdtempSync(join(tmpdir(), 'merge-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const BASE = shared('golden/qwen2_vl');
const expert = (name: string): string => shared(`golden/merge/adapter-${name}`);
const inputsOf = (names: readonly string[]): Record<string, string> => ({
  base: BASE,
  ...Object.fromEntries(names.map((name) => [`adapter.${name}`, expert(name)])),
});

interface Merged {
  readonly model: string;
  readonly vector: string;
  readonly log: readonly string[];
}

const run = async (
  inputs: Record<string, string>,
  params: Record<string, unknown>,
  signal = new AbortController().signal,
): Promise<Merged> => {
  const folder = mkdtempSync(join(scratch, 'out-'));
  const [model, vector] = [join(folder, 'model'), join(folder, 'vector')];
  const log: string[] = [];
  await mergeStage.run(MergeParams.parse(params), {
    inputs,
    compute: inFloat32,
    outputs: { model, vector },
    resume: undefined,
    checkpoint: async () => {},
    progress: () => {},
    log: (line) => void log.push(line),
    signal,
  });
  return { model, vector, log };
};

const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity);

interface GoldenCase {
  method: string;
  weights?: Record<string, number>;
  models?: [string, string];
  density?: number;
  lambda?: number;
  t?: number;
}
const golden: [string, GoldenCase][] = hasShared
  ? Object.entries(
      (
        JSON.parse(readFileSync(shared('golden/merge/cases.json'), 'utf8')) as {
          cases: Record<string, GoldenCase>;
        }
      ).cases,
    )
  : [];

const entriesIn = async ({ vector }: Merged): Promise<number[]> => {
  const tau = await openSafetensors(nodeFolder(vector), 'vector.safetensors');
  const counts: number[] = [];
  for (const name of tau.tensors.keys()) counts.push((await tau.read(name)).filter((x) => x !== 0).length);
  await tau.close();
  return counts;
};

const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);

/** The RL adapter as if it had been trained on the given weights. */
const retrained = async (on: string): Promise<string> => {
  const base = await openCheckpoint(nodeFolder(BASE));
  const adapter = await readAdapter(nodeFolder(expert('RL')), base.config);
  await base.close();
  const folder = mkdtempSync(join(scratch, 'rl-'));
  await writeAdapter(nodeFolder(folder), { ...adapter, trainedOn: on });
  return folder;
};

const digestOf = async (path: string): Promise<string> => {
  const checkpoint = await openCheckpoint(nodeFolder(path));
  const digest = await weightsDigest(checkpoint);
  await checkpoint.close();
  return digest;
};

const readTau = async ({ vector }: Merged): Promise<Float32Array> => {
  const file = await openSafetensors(nodeFolder(vector), 'vector.safetensors');
  const tau = await file.read('model.layers.0.mlp.up_proj.weight');
  await file.close();
  return tau;
};

describe.skipIf(!hasShared)('the merge stage', () => {
  it.each(golden)(
    'gives mergekit’s weights: %s',
    async (name, { method, weights, models, density, lambda, t }) => {
      const names = models ?? Object.keys(weights ?? {});
      const rest = models ? { ends: models, t } : { weights, density, lambda };
      const { model } = await run(inputsOf(names), { method: method.replace('_', '-'), ...rest });
      const checkpoint = await openCheckpoint(nodeFolder(model));
      const wanted = await openSafetensors(nodeFolder(shared('golden/merge')), `${name}.safetensors`);
      for (const tensor of wanted.tensors.keys())
        expect(worst(await checkpoint.read(tensor), await wanted.read(tensor))).toBeLessThanOrEqual(1e-6);
      await checkpoint.close();
      await wanted.close();
    },
  );

  it('writes a whole model: base + vector where merged, the base’s bytes elsewhere, its tokenizer and settings', async () => {
    const { model, vector } = await run(inputsOf(['AM', 'RL']), { density: 0.5 });
    const [base, merged] = await Promise.all([BASE, model].map((path) => openCheckpoint(nodeFolder(path))));
    const tau = await openSafetensors(nodeFolder(vector), 'vector.safetensors');
    expect(tau.tensors.size).toBe(14);
    for (const name of base!.tensors.keys()) {
      const [before, after] = [await base!.read(name), await merged!.read(name)];
      const step = tau.tensors.has(name) ? await tau.read(name) : undefined;
      expect(after).toEqual(step ? before.map((x, i) => x + step[i]!) : before);
    }
    const provenance = JSON.parse(readFileSync(join(vector, 'provenance.json'), 'utf8')) as unknown;
    expect(provenance).toEqual({
      version: 1,
      base: await weightsDigest(base!),
      model: await weightsDigest(merged!),
    });
    expect(readdirSync(model)).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'merge-report.json',
      'model.safetensors',
      'preprocessor_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await Promise.all([base!.close(), merged!.close(), tau.close()]);
  });

  it('has the same bytes every time', async () => {
    for (const params of [{}, { method: 'dare-ties', seed: 3 }]) {
      const [a, b] = [await run(inputsOf(['AM', 'BS']), params), await run(inputsOf(['AM', 'BS']), params)];
      for (const key of ['model', 'vector'] as const)
        for (const file of readdirSync(a[key]))
          expect(readFileSync(join(a[key], file)).equals(readFileSync(join(b[key], file)))).toBe(true);
    }
  });

  it('names algorithm and variant in the card, and what rounding did to each tensor in the report', async () => {
    const { model } = await run(inputsOf(['AM', 'CAH']), {
      trim: 'global',
      density: 0.3,
      weights: { CAH: 0.5 },
    });
    const report = MergeReport.parse(JSON.parse(readFileSync(join(model, 'merge-report.json'), 'utf8')));
    expect(report.vectors).toEqual([
      { name: 'AM', weight: 1 },
      { name: 'CAH', weight: 0.5 },
    ]);
    expect(report.tensors).toHaveLength(14);
    expect(report.warnings).toEqual([]);
    const card = readFileSync(join(model, 'README.md'), 'utf8');
    expect(card).toContain('mergekit’s variant');
    expect(card).toContain('density 0.3, trimmed across all tensors');
  });

  it('trims across tensors to the same number of entries, otherwise spread', async () => {
    const local = await entriesIn(await run(inputsOf(['AM']), { density: 0.25 }));
    const global = await entriesIn(await run(inputsOf(['AM']), { density: 0.25, trim: 'global' }));
    expect(sum(global)).toBe(sum(local));
    expect(global).not.toEqual(local);
  });

  it('writes shards and another type where asked to, and warns of what the type swallows', async () => {
    const { model, log } = await run(inputsOf(['AM']), {
      method: 'task-arithmetic',
      lambda: 1e-4,
      outDtype: 'bfloat16',
      shardBytes: 100_000,
    });
    const merged = await openCheckpoint(nodeFolder(model));
    expect(new Set([...merged.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    await merged.close();
    expect(readdirSync(model)).toContain('model.safetensors.index.json');
    expect(JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' });
    expect(log[0]).toMatch(/over half of the update is lost to rounding/);
    expect(readFileSync(join(model, 'README.md'), 'utf8')).toMatch(
      /tensors lose more than half of their update/,
    );
  });

  it('counts a vector trained on a merged start from the base, or from its start alone', async () => {
    const start = await run(inputsOf(['AM', 'BS']), { method: 'linear' });
    const rl = await retrained(await digestOf(start.model));
    const inputs = { base: BASE, 'adapter.RL': rl, 'start.RL': start.vector };
    const total = await readTau(await run(inputs, { method: 'linear' }));
    const delta = await readTau(await run(inputs, { method: 'linear', rlVector: 'delta' }));
    const own = await readTau(await run(inputsOf(['RL']), { method: 'linear' }));
    const begun = await readTau(start);
    expect(delta).toEqual(own);
    expect(
      worst(
        total,
        own.map((x, i) => x + begun[i]!),
      ),
    ).toBeLessThanOrEqual(1e-9);
  });

  it('takes a stored vector alone as one end of slerp', async () => {
    const mean = await run(inputsOf(['AM', 'BS']), { method: 'linear' });
    const inputs = { base: BASE, 'adapter.RL': expert('RL'), 'start.mean': mean.vector };
    const from = await run(inputs, { method: 'slerp', t: 0 });
    const [a, b] = [
      await openCheckpoint(nodeFolder(from.model)),
      await openCheckpoint(nodeFolder(mean.model)),
    ];
    const name = 'model.layers.1.self_attn.q_proj.weight';
    expect(worst(await a.read(name), await b.read(name))).toBeLessThanOrEqual(1e-7);
    await Promise.all([a.close(), b.close()]);
  });

  it('refuses an adapter or a start that belongs to other weights, naming both', async () => {
    const other = `sha256:${'0'.repeat(64)}`;
    const inputs = { base: BASE, 'adapter.RL': await retrained(other) };
    const message = new RegExp(`trained on weights ${other}, but .*qwen2_vl has ${await digestOf(BASE)}`);
    await expect(run(inputs, {})).rejects.toThrow(message);
    const start = await run(inputsOf(['AM']), { method: 'linear' });
    const wrongBase = { base: start.model, 'start.RL': start.vector };
    await expect(run(wrongBase, { method: 'linear' })).rejects.toThrow(/counts from weights sha256:/);
  });

  it('refuses slerp of other than two, and a merge of nothing', async () => {
    await expect(run(inputsOf(['AM', 'BS', 'RL']), { method: 'slerp' })).rejects.toThrow(
      'slerp takes two models, got AM, BS, RL',
    );
    await expect(run({ base: BASE }, {})).rejects.toThrow('no adapter and no vector is given');
  });

  it('is named by all the code that its threads run', async () => {
    const code = Object.keys(await codeMap(resolve(import.meta.dirname, '../../..'), mergeStage.code));
    for (const file of ['merge/merge.ts', 'merge/tasks.ts', 'merge/kernels.ts', 'nn/wasm/assembler.ts'])
      expect(code).toContain(`activities/${file}`);
  });

  it('stops when cancelled', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    await expect(run(inputsOf(['AM']), {}, signal)).rejects.toThrow('cancelled');
  });
});
