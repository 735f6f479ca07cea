import { describe, expect, it } from 'vitest';
import { gradient } from '../../../../activities/nn/ops/gradient.ts';
import type { Trace } from '../../../../activities/nn/ops/trace.ts';
import type { Value } from '../../../../activities/nn/ops/node.ts';
import { encode } from '../../../../activities/nn/checkpoint/dtype.ts';
import { createStaging } from '../../../../activities/nn/runtime/staging.ts';
import type { StoredNumbers } from '../../../../activities/nn/runtime/variable.ts';
import { Program } from '../../../../activities/nn/runtime/program.ts';
import { loadTensorFlow, ThreadCountFixed } from '../../../../activities/nn/runtime/tensorflow.ts';
import { expectAllClose } from '../../../_allclose.ts';

function descend(t: Trace): { outputs: Record<string, Value> } {
  const w = t.variable('w', [3]);
  const loss = t.sum(t.square(t.sub(w, t.input('target', [3]))), [0]);
  const [g] = gradient(t, loss, [w]);
  if (g === undefined) throw new Error('no gradient');
  return { outputs: { loss: t.after([t.assign(w, t.sub(w, t.scale(g, 0.25)))], loss) } };
}

const fourLong = (t: Trace): { outputs: Record<string, Value> } => ({
  outputs: { w: t.after([], t.variable('w', [4])) },
});

const target = Float32Array.of(1, -2, 3);

/** The output of one entry point in a program that has others too. */
async function besideOthers(others: number): Promise<Float32Array> {
  const program = new Program();
  const entry = (name: string, rows: number): void =>
    program.entry(name, (t) => {
      const w = t.variable('w', [32, 32]);
      const x = t.softmax(t.matmul(t.input('x', [rows, 32]), w));
      return { outputs: { y: t.mean(t.log(x), [0]) } };
    });
  for (let i = 0; i < others; i++) entry(`other${i}`, 8 + i);
  entry('subject', 64);
  const session = await program.load();
  session.set(
    'w',
    Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)),
  );
  const { y } = session.run('subject', { x: Float32Array.from({ length: 2048 }, (_, i) => Math.cos(i)) });
  session.dispose();
  return y as Float32Array;
}

describe('a session', () => {
  it('writes rows of a variable in its own memory, and of no other', async () => {
    const program = new Program();
    const tables = (t: Trace): Value[] => ['a', 'b'].map((name) => t.scratch(name, [2, 2, 3]));
    program.entry('begin', (t) => {
      const writes = tables(t).map((table) => t.overwrite(table, t.freshZeros(table.shape)));
      return { outputs: { done: t.after(writes, t.scalar(1, 'int32')) } };
    });
    program.entry('write', (t) => {
      const [table] = tables(t) as [Value];
      const rows = t.input('rows', [2, 3]);
      return { outputs: { a: t.overwriteRows(table, t.input('places', [2], 'int32'), rows) } };
    });
    program.entry('read', (t) => {
      const [a, b] = tables(t) as [Value, Value];
      return { outputs: { a: t.after([], a), b: t.after([], b) } };
    });
    const session = await program.load();
    for (let round = 0; round < 2; round++) {
      session.run('begin');
      session.run('write', { places: Int32Array.of(3, 0), rows: Float32Array.of(1, 2, 3, 4, 5, 6) });
      const rows = Float32Array.of(7, 8, 9, 1, 2, 3);
      const { a } = session.run('write', { places: Int32Array.of(1, 3), rows });
      expect(a).toEqual(Float32Array.of(4, 5, 6, 7, 8, 9, 0, 0, 0, 1, 2, 3));
      expect(session.run('read')).toEqual({ a, b: new Float32Array(12) });
    }
    session.dispose();
  });

  it('refuses to write rows of what is not a variable, and rows of another size', async () => {
    new Program().entry('write', (t) => {
      const [table, places] = [t.variable('w', [2, 3]), t.ints([0])];
      expect(() => t.overwriteRows(t.square(table), places, t.full([1, 3], 1))).toThrow('is not a variable');
      expect(() => t.overwriteRows(table, places, t.full([1, 2], 1))).toThrow(
        'overwriteRows: [1, 2] at [1] places of [2, 3]',
      );
      return { outputs: { w: t.after([], table) } };
    });
  });

  it('transposes numbers of every kind bit for bit', async () => {
    const program = new Program();
    program.entry('turn', (t) => {
      const x = t.input('x', [2, 3]);
      const turned = [x, t.cast(x, 'bfloat16'), t.cast(x, 'int32')].map((y) => t.transpose(y, [1, 0]));
      const [float, short, whole] = turned as [Value, Value, Value];
      return {
        outputs: { float: t.after([], float), short: t.cast(short, 'float32'), whole: t.after([], whole) },
      };
    });
    const session = await program.load();
    const { float, short, whole } = session.run('turn', { x: Float32Array.of(1, -0, 3, 4, Infinity, 6.5) });
    expect(float).toEqual(Float32Array.of(1, 4, -0, Infinity, 3, 6.5));
    expect(short).toEqual(float);
    expect(whole!.slice(4)).toEqual(Int32Array.of(3, 6));
    session.dispose();
  });

  it('keeps variables between runs and shares them among entry points', async () => {
    const program = new Program();
    program.entry('train', descend);
    program.entry('double', (t) => ({ outputs: { twice: t.scale(t.variable('w', [3]), 2) } }));
    const session = await program.load();
    session.set('w', new Float32Array(3));
    expect(session.run('train', { target })['loss']).toEqual(Float32Array.of(14));
    expect(session.run('train', { target })['loss']).toEqual(Float32Array.of(3.5));
    expect(session.get('w')).toEqual(Float32Array.of(0.75, -1.5, 2.25));
    expect(session.run('double')['twice']).toEqual(Float32Array.of(1.5, -3, 4.5));
    session.dispose();
  });

  it('computes the same bits whatever other entry points the program has', async () => {
    expect(await besideOthers(0)).toEqual(await besideOthers(3));
  });

  it('stores bfloat16 from bits and from rounded float32, and gives it back as float32', async () => {
    const program = new Program();
    program.entry('sum', (t) => ({
      outputs: { sum: t.sum(t.cast(t.variable('half', [5], 'bfloat16'), 'float32'), [0]) },
    }));
    const session = await program.load();
    session.set('half', Float32Array.of(1, -2, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 0.1));
    expect(session.get('half')).toEqual(Float32Array.of(1, -2, 1, 1 + 2 ** -6, 0.10009765625));
    session.set('half', {
      dtype: 'bfloat16',
      bytes: Uint8Array.of(0x80, 0x3f, 0, 0x40, 0x40, 0x40, 0x80, 0x40, 0xa0, 0x40),
    });
    expect(session.get('half')).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    expect(session.run('sum')['sum']).toEqual(Float32Array.of(15));
    session.dispose();
  });

  it('fills from bits that are still to be read, of odd and even numbers, into either type', async () => {
    const program = new Program();
    program.entry('sum', (t) => ({
      outputs: {
        sum: t.add(
          t.sum(t.cast(t.variable('base/half', [3], 'bfloat16'), 'float32'), [0]),
          t.sum(t.variable('base/whole', [2]), [0]),
        ),
      },
    }));
    const session = await program.load();
    const stored = (...values: number[]): StoredNumbers => {
      const bytes = encode('BF16', Float32Array.from(values));
      return {
        dtype: 'bfloat16',
        byteLength: bytes.byteLength,
        range: undefined,
        readInto: async (into) => into.set(bytes),
      };
    };
    const read = (key: string): StoredNumbers => (key === 'half' ? stored(1, 2, -4) : stored(0.5, 8));
    await session.fill('base', read);
    expect(session.get('base/half')).toEqual(Float32Array.of(1, 2, -4));
    expect(session.get('base/whole')).toEqual(Float32Array.of(0.5, 8));
    await expect(session.fill('base', () => stored(1))).rejects.toThrow(/"base\/\w+" is .*, given 1 numbers/);
    session.dispose();
  });

  it('keeps what a variable was set to when the array is written to again', async () => {
    const program = new Program();
    program.entry('fourLong', fourLong);
    const session = await program.load();
    // Memory that begins where TensorFlow would use it in place.
    const [place] = createStaging().reserve([32]);
    const numbers = new Float32Array(place!.buffer, 0, 4).fill(1);
    session.set('w', numbers);
    numbers.fill(2);
    expect(session.get('w')).toEqual(Float32Array.of(1, 1, 1, 1));
    session.dispose();
  });

  it('reaches the members of a large group only together', async () => {
    const program = new Program();
    const names = Array.from({ length: 65 }, (_, i) => `many/${i}`);
    program.entry('sum', (t) => {
      const all = names.map((name) => t.variable(name, [1]));
      return { outputs: { sum: all.reduce((sum, x) => t.add(sum, x)) } };
    });
    const session = await program.load();
    await session.fill('many', (key) => Float32Array.of(Number(key)));
    expect(session.run('sum')['sum']).toEqual(Float32Array.of((64 * 65) / 2));
    expect(session.read('many').get('64')).toEqual(Float32Array.of(64));
    expect(() => session.get('many/3')).toThrow('"many/3" is one of too many');
    session.dispose();
  });

  it('fills and reads a group of variables at once', async () => {
    const program = new Program();
    program.entry('sum', (t) => ({
      outputs: { sum: t.add(t.sum(t.variable('base/a', [2]), [0]), t.sum(t.variable('base/b', [3]), [0])) },
    }));
    const session = await program.load();
    await session.fill('base', (key) => (key === 'a' ? Float32Array.of(1, 2) : Float32Array.of(3, 4, 5)));
    expect(session.run('sum')['sum']).toEqual(Float32Array.of(15));
    expect([...session.read('base')]).toEqual([
      ['a', Float32Array.of(1, 2)],
      ['b', Float32Array.of(3, 4, 5)],
    ]);
    await expect(session.fill('other', () => target)).rejects.toThrow('no variables "other/…"');
    session.dispose();
  });

  it('frees every tensor over 200 runs', async () => {
    const program = new Program();
    program.entry('train', descend);
    const session = await program.load();
    session.set('w', new Float32Array(3));
    session.run('train', { target });
    const tf = loadTensorFlow();
    const binding = (tf.backend() as unknown as { binding: { getNumOfTensors(): number } }).binding;
    const [tensors, handles] = [tf.memory().numTensors, binding.getNumOfTensors()];
    for (let step = 0; step < 200; step++) session.run('train', { target });
    expect(tf.memory().numTensors).toBe(tensors);
    expect(binding.getNumOfTensors()).toBe(handles);
    expectAllClose(session.get('w'), target, { rtol: 0, atol: 1e-6 });
    session.dispose();
  });

  it('names the entry point, input or variable that does not fit', async () => {
    const program = new Program();
    program.entry('train', descend);
    expect(() => program.entry('train', descend)).toThrow('"train" is recorded twice');
    expect(() => program.entry('other', fourLong)).toThrow(
      'variable "w" is float32 [4] in other and float32 [3] before',
    );
    const session = await program.load();
    expect(() => session.run('sing')).toThrow('no entry point "sing"');
    expect(() => session.run('train')).toThrow('input "target" is float32 [3], not fed');
    expect(() => session.run('train', { target: new Float32Array(2) })).toThrow('fed 2 numbers');
    expect(() => session.run('train', { target, more: target })).toThrow('train has no input "more"');
    expect(() => session.set('w', new Float32Array(2))).toThrow(
      'variable "w" is float32 [3], given 2 numbers',
    );
    expect(() => session.get('v')).toThrow('no variable "v"');
    session.dispose();
  });

  it('refuses another thread count once TensorFlow is loaded', () => {
    loadTensorFlow();
    expect(() => loadTensorFlow({ threads: 61 })).toThrow(ThreadCountFixed);
  });
});
