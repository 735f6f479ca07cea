import { describe, expect, it } from 'vitest';
import { alignCheckpoint } from '../../../../activities/nn/checkpoint/align-checkpoint.ts';
import { openCheckpoint } from '../../../../activities/nn/checkpoint/checkpoint.ts';
import { openSafetensors } from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { writeWeights } from '../../../../activities/nn/checkpoint/write-checkpoint.ts';
import { weightsDigest } from '../../../../activities/nn/runtime/weights-digest.ts';
import { memoryFolder, type MemoryFolder } from './_memory-folder.ts';
import { tinyModel } from './_tiny-model.ts';

/** Where the first tensor of a file begins. */
const dataStart = (folder: MemoryFolder, name: string): number =>
  8 + Number(Buffer.from(folder.files.get(name)!).readBigUInt64LE());

describe('an aligned copy', () => {
  it('has the tensors, the metadata and the other files, and tensors that begin at multiples of 64', async () => {
    const source = await tinyModel(false);
    source.put('README.md', 'about the model');
    expect(dataStart(source, 'model.safetensors') % 64).not.toBe(0);
    const copy = memoryFolder();
    const told: string[] = [];
    await alignCheckpoint(source, copy, (name, done, total) => told.push(`${name} ${done}/${total}`));

    expect([...copy.files.keys()]).toEqual(await source.list());
    expect(told).toEqual(['README.md 1/3', 'config.json 2/3', 'model.safetensors 3/3']);
    for (const name of ['README.md', 'config.json'])
      expect(copy.files.get(name)).toEqual(source.files.get(name));
    expect(dataStart(copy, 'model.safetensors') % 64).toBe(0);
    const [before, after] = [await openCheckpoint(source), await openCheckpoint(copy)];
    expect(await weightsDigest(after)).toBe(await weightsDigest(before));
    const [from, to] = [
      await openSafetensors(source, 'model.safetensors'),
      await openSafetensors(copy, 'model.safetensors'),
    ];
    expect(to.metadata).toEqual(from.metadata);
  });

  it('refuses a file that is cut off', async () => {
    const source = await tinyModel();
    source.put('model.safetensors', source.files.get('model.safetensors')!.slice(0, -1));
    await expect(alignCheckpoint(source, memoryFolder())).rejects.toThrow('truncated');
  });
});

describe('weights that are written', () => {
  it('begin at a multiple of 64 bytes in every shard', async () => {
    const checkpoint = await openCheckpoint(await tinyModel());
    const folder = memoryFolder();
    await writeWeights(
      folder,
      [...checkpoint.tensors.values()],
      (spec) => checkpoint.readRaw(spec.name),
      1500,
    );
    const shards = [...folder.files.keys()].filter((name) => name.endsWith('.safetensors'));
    expect(shards.length).toBeGreaterThan(1);
    for (const name of shards) expect(dataStart(folder, name) % 64).toBe(0);
  });
});
