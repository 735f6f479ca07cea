import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileRange } from '../../../../activities/nn/checkpoint/files.ts';
import { encode } from '../../../../activities/nn/checkpoint/dtype.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import type { Session } from '../../../../activities/nn/runtime/session.ts';
import { loadTensorFlow, nodeBackend } from '../../../../activities/nn/runtime/tensorflow.ts';
import type { StoredNumbers } from '../../../../activities/nn/runtime/variable.ts';

const SIZES = { even: 40, odd: 33 } as const;
const numbersOf = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => 8 - i / 4);

describe('numbers in a file', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'mmedexpert-map-'))));
  afterAll(() => rm(folder, { recursive: true }));

  let files = 0;
  /** Writes numbers behind `position` bytes of something else; they can only be mapped, as nobody may read them. */
  const stored = async (
    position: number,
    dtype: StoredNumbers['dtype'],
    numbers: Float32Array,
  ): Promise<StoredNumbers & { readonly range: FileRange }> => {
    const bytes = encode(dtype === 'bfloat16' ? 'BF16' : 'F32', numbers);
    const file = path.join(folder, `${files++}`);
    await writeFile(file, Buffer.concat([Buffer.alloc(position, 0x7f), bytes]));
    return {
      dtype,
      byteLength: bytes.byteLength,
      range: { path: file, position, bytes: bytes.byteLength },
      readInto: () => Promise.reject(new Error('is read')),
    };
  };

  /** A program that doubles one variable. */
  const load = (dtype: StoredNumbers['dtype'], size: number): Promise<Session> => {
    const program = new Program();
    program.entry('double', (t) => {
      const w = t.variable('base/w', [1, size], dtype);
      return { outputs: { twice: t.scale(t.cast(w, 'float32'), 2) } };
    });
    return program.load();
  };

  it.each([0, 64, 4, 24, 60])(
    'are mapped from byte %i, and outlive the name of the file',
    async (position) => {
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const numbers = numbersOf(SIZES.even);
        const session = await load(dtype, SIZES.even);
        const data = await stored(position, dtype, numbers);
        await session.fill('base', () => data);
        await rm(data.range.path);
        expect(session.run('double')).toEqual({ twice: numbers.map((x) => 2 * x) });
        session.dispose();
      }
    },
  );

  it.each([
    [64, 48, 'no copy'],
    [128, 16, 'no copy'],
    [24, 48, 'a copy'],
    [64, 40, 'a copy'],
  ] as const)('are from byte %i, %i of them, %s', async (position, size, kind) => {
    const numbers = numbersOf(size);
    const session = await load('float32', size);
    const data = await stored(position, 'float32', numbers);
    await session.fill('base', () => data);
    // What is mapped is the file itself.
    const file = await open(data.range.path, 'r+');
    await file.write(encode('F32', Float32Array.of(77)), 0, 4, position);
    await file.close();
    expect(session.run('double')['twice']![0]).toBe(2 * (kind === 'no copy' ? 77 : numbers[0]!));
    session.dispose();
  });

  it('are read where they are no whole numbers of four bytes, or not what the variable holds', async () => {
    const odd = await load('bfloat16', SIZES.odd);
    await expect(async () =>
      odd.fill('base', async () => stored(0, 'bfloat16', numbersOf(SIZES.odd))),
    ).rejects.toThrow('is read');
    const between = await load('float32', SIZES.even);
    await expect(async () =>
      between.fill('base', async () => stored(2, 'float32', numbersOf(SIZES.even))),
    ).rejects.toThrow('is read');
    await expect(async () =>
      between.fill('base', async () => stored(0, 'bfloat16', numbersOf(SIZES.even))),
    ).rejects.toThrow('is read');
    for (const session of [odd, between]) session.dispose();
  });

  it('are refused where the file is gone or ends too early, and nothing is left behind', async () => {
    const session = await load('float32', SIZES.even);
    const binding = nodeBackend(loadTensorFlow()).binding;
    const before = binding.getNumOfTensors();
    const data = await stored(64, 'float32', numbersOf(SIZES.even));
    await truncate(data.range.path, 100);
    await expect(session.fill('base', () => data)).rejects.toThrow();
    await rm(data.range.path);
    await expect(session.fill('base', () => data)).rejects.toThrow(data.range.path);
    expect(binding.getNumOfTensors()).toBe(before);
    session.dispose();
  });

  it('leave no tensor behind over 200 fills', async () => {
    const session = await load('bfloat16', SIZES.even);
    const data = await stored(128, 'bfloat16', numbersOf(SIZES.even));
    const binding = nodeBackend(loadTensorFlow()).binding;
    await session.fill('base', () => data);
    const before = binding.getNumOfTensors();
    for (let i = 0; i < 200; i++) await session.fill('base', () => data);
    expect(binding.getNumOfTensors()).toBe(before);
    session.dispose();
  });
});
