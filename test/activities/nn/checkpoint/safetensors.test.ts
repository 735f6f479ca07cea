import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DTYPES, encode, type Dtype, type TensorData } from '../../../../activities/nn/checkpoint/dtype.ts';
import type { TensorSpec } from '../../../../activities/nn/checkpoint/safetensors.ts';
import {
  createSafetensors,
  openSafetensors,
  streamSafetensors,
  writeSafetensors,
} from '../../../../activities/nn/checkpoint/safetensors-file.ts';
import { nodeFolder } from '../../../../activities/nn/runtime/files.ts';
import { randomKey, uniform } from '../../../../activities/nn/random.ts';
import { hasShared, shared } from '../../../_shared.ts';
import { memoryFolder } from './_memory-folder.ts';

/** A file of a header text and a number of data bytes. */
const file = (header: string, dataBytes: number, length = Buffer.byteLength(header)): Uint8Array => {
  const bytes = new Uint8Array(8 + Buffer.byteLength(header) + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(Buffer.from(header), 8);
  return bytes;
};

const open = (bytes: Uint8Array) => {
  const folder = memoryFolder();
  folder.put('x.safetensors', bytes);
  return openSafetensors(folder, 'x.safetensors');
};

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

describe('openSafetensors refuses', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /truncated: 0 bytes/],
    ['a file shorter than its header', file('{}', 0, 500), /truncated: header of 500 bytes in a file of 10/],
    ['a header over 100 MB', file('{}', 0, 100_000_001), /over the limit of 100000000/],
    [
      'a header of 2^63 bytes',
      new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128]),
      /9223372036854775808 bytes is over/,
    ],
    ['a header that is not JSON', file('{"a":', 0), /header is not JSON/],
    ['a header that is not UTF-8', file('{"\xff":1}', 0).fill(0xff, 10, 12), /header is not JSON/],
    ['a header that is a list', file('[]', 0), /not a JSON object/],
    ['a header that starts with a space', file(' {}', 0), /not a JSON object/],
    ['truncated data', file(`{"a":${entry(0, 8)}}`, 7), /truncated: .*last tensor "a"/],
    ['bytes after the last tensor', file(`{"a":${entry(0, 8)}}`, 9), /1 bytes after the last tensor/],
    ['overlapping tensors', file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12), /tensor "b" overlaps/],
    ['a tensor inside another', file(`{"a":${entry(0, 8)},"b":${entry(4, 8)}}`, 8), /tensor "b" overlaps/],
    ['a hole', file(`{"a":${entry(0, 8)},"b":${entry(12, 16)}}`, 16), /tensor "b" leaves a hole/],
    ['a hole at the start', file(`{"a":${entry(4, 8)}}`, 8), /tensor "a" leaves a hole/],
    ['negative offsets', file(`{"a":${entry(-4, 0, [1])}}`, 4), /tensor "a": data_offsets \[-4,0\]/],
    ['backward offsets', file(`{"a":${entry(8, 4, [1])}}`, 8), /tensor "a": .*span -4/],
    ['fractional offsets', file(`{"a":${entry(0, 4.5, [1])}}`, 8), /tensor "a": data_offsets/],
    [
      'offsets beyond 2^53',
      file(`{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,9007199254740993]}}`, 8),
      /tensor "a": shape/,
    ],
    [
      'a shape that overflows',
      file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0),
      /tensor "a": shape .*overflows/,
    ],
    ['a negative shape', file(`{"a":${entry(0, 4, [-1])}}`, 4), /tensor "a": shape \[-1\]/],
    [
      'a shape of another size',
      file(`{"a":${entry(0, 8, [3])}}`, 8),
      /tensor "a": F32 \[3\] takes 12 bytes, data_offsets span 8/,
    ],
    [
      'a type of another width',
      file(`{"a":${entry(0, 8, [2], 'F64')}}`, 8),
      /tensor "a": F64 \[2\] takes 16 bytes/,
    ],
    [
      'an unknown type',
      file(`{"a":${entry(0, 1, [1], 'F8_E4M3')}}`, 1),
      /tensor "a": dtype "F8_E4M3" is not supported/,
    ],
    [
      'an unknown field',
      file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}`, 0),
      /tensor "a": unknown field "x"/,
    ],
    ['an entry that is no object', file('{"a":7}', 0), /tensor "a": its entry is not an object/],
    ['a name that is there twice', file(`{"a":${entry(0, 4)},"a":${entry(4, 8)}}`, 8), /holds "a" twice/],
    [
      'a name written twice in two ways',
      file(`{"a":${entry(0, 4)},"\\u0061":${entry(4, 8)}}`, 8),
      /holds "a" twice/,
    ],
    [
      'a field that is there twice',
      file('{"a":{"dtype":"U8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0),
      /holds "dtype" twice/,
    ],
    ['metadata that is not text', file('{"__metadata__":{"n":1}}', 0), /__metadata__: "n" is not a string/],
    ['metadata that is no object', file('{"__metadata__":"x"}', 0), /__metadata__ is not an object/],
  ];

  it.each(cases)('%s', async (_, bytes, message) => {
    await expect(open(bytes)).rejects.toThrow(message);
    await expect(open(bytes)).rejects.toThrow(/^mem\/x\.safetensors: /);
  });

  it('no name that only looks dangerous', async () => {
    const names = ['__proto__', 'constructor', '../../etc/passwd', 'a\u0000b', '', '7', '"', '\\', '😀'];
    const folder = memoryFolder();
    const tensors = new Map(
      names.map((name, i) => [name, { dtype: 'F32', shape: [1], data: Float32Array.of(i) } as const]),
    );
    await writeSafetensors(folder, 'x', tensors);
    const read = await openSafetensors(folder, 'x');
    expect([...read.tensors.keys()].toSorted()).toEqual(names.toSorted());
    for (const [i, name] of names.entries()) expect([...(await read.read(name))]).toEqual([i]);
    expect(Object.prototype).not.toHaveProperty('dtype');
  });

  it('a tensor that is not there, by name', async () => {
    await expect((await open(file(`{"a":${entry(0, 4)}}`, 4))).read('b')).rejects.toThrow(
      'has no tensor "b"',
    );
  });
});

const sample = (dtype: Dtype, length: number): TensorData => {
  const random = uniform(randomKey(3, dtype, length), length).map((x) => x - 0.5);
  if (dtype === 'I64') return BigInt64Array.from(random, (x) => BigInt(Math.round(x * 1e15)));
  if (dtype === 'F64') return Float64Array.from(random, (x) => x / 3);
  if (dtype === 'I32') return Int32Array.from(random, (x) => x * 2 ** 32);
  if (dtype === 'U8') return Uint8Array.from(random, (x) => (x + 0.5) * 256);
  if (dtype === 'BOOL') return Uint8Array.from(random, (x) => Number(x > 0));
  return random;
};

describe('a written file', () => {
  const shapes = [[], [0], [3, 0, 2], [1], [7], [2, 3, 5]];

  it.each(DTYPES)('gives back tensors of %s of every shape', async (dtype) => {
    const folder = memoryFolder();
    const tensors = new Map(
      shapes.map((shape, i) => {
        const data = sample(
          dtype,
          shape.reduce((n, x) => n * x, 1),
        );
        return [`t${i}`, { dtype, shape, data }] as const;
      }),
    );
    await writeSafetensors(folder, 'x', tensors);
    const read = await openSafetensors(folder, 'x');
    for (const [name, { shape, data }] of tensors) {
      expect(read.tensors.get(name)).toMatchObject({ dtype, shape });
      expect(await read.readBytes(name)).toEqual(encode(dtype, data));
    }
    expect(read.metadata).toEqual(new Map([['format', 'pt']]));
  });

  it('does not depend on the order in which tensors are given', async () => {
    const folder = memoryFolder();
    const tensors = DTYPES.map(
      (dtype, i) => [`n${i % 3}-${dtype}`, { dtype, shape: [5], data: sample(dtype, 5) }] as const,
    );
    await writeSafetensors(folder, 'a', new Map(tensors));
    await writeSafetensors(folder, 'b', new Map(tensors.toReversed()));
    expect(folder.files.get('a')).toEqual(folder.files.get('b'));
    expect(Buffer.from(folder.files.get('a')!).readBigUInt64LE() % 8n).toBe(0n);
  });

  it('gives and takes a tensor in parts of a few megabytes', async () => {
    const folder = memoryFolder();
    const data = Uint8Array.from({ length: 2 ** 23 + 5 }, (_, i) => i % 251);
    const tensor = { dtype: 'U8', shape: [data.length], data } as const;
    await writeSafetensors(folder, 'whole', new Map([['t', tensor]]));
    const file = await openSafetensors(folder, 'whole');
    const sizes: number[] = [];
    const parts = async function* ({ name }: TensorSpec) {
      for await (const part of file.parts(name)) {
        sizes.push(part.byteLength);
        yield part;
      }
    };
    await streamSafetensors(folder, 'copy', [...file.tensors.values()], parts);
    expect(sizes).toEqual([2 ** 22, 2 ** 22, 5]);
    expect(Buffer.compare(folder.files.get('copy')!, folder.files.get('whole')!)).toBe(0);
    const into = new Uint8Array(data.length);
    await file.readInto('t', into);
    expect(Buffer.compare(into, data)).toBe(0);
    await expect(file.readInto('t', into.subarray(1))).rejects.toThrow('t has 8388613 bytes, not 8388612');
  });

  it('begins a tensor while the one before is written', async () => {
    const folder = memoryFolder();
    const specs = ['a', 'b'].map((name): TensorSpec => ({ name, dtype: 'U8', shape: [1] }));
    const events: string[] = [];
    await streamSafetensors(folder, 'x', specs, ({ name }) => {
      events.push(`make ${name}`);
      return (async function* () {
        events.push(`write ${name}`);
        yield Uint8Array.of(1);
      })();
    });
    expect(events).toEqual(['make a', 'make b', 'write a', 'write b']);
  });

  it('writes tensors in any order to the same bytes', async () => {
    const folder = memoryFolder();
    const tensors = new Map(
      ['a', 'b', 'c'].map((name, i) => [
        name,
        { dtype: 'F32', shape: [i + 1], data: new Float32Array(i + 1).fill(i) } as const,
      ]),
    );
    await writeSafetensors(folder, 'streamed', tensors);
    const specs = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    const writer = await createSafetensors(folder, 'put', specs);
    for (const name of ['c', 'a', 'b']) await writer.put(name, encode('F32', tensors.get(name)!.data));
    await expect(writer.put('d', new Uint8Array(4))).rejects.toThrow('tensor "d" has no bytes, not 4');
    await writer.close();
    expect(folder.files.get('put')).toEqual(folder.files.get('streamed'));
  });

  it('refuses two tensors of one name, the reserved name, and bytes of another size', async () => {
    const folder = memoryFolder();
    const spec = { name: 'a', dtype: 'F32', shape: [2] } as const;
    const bytes = new Uint8Array(8);
    await expect(streamSafetensors(folder, 'x', [spec, spec], () => bytes)).rejects.toThrow(
      '"a": the name is taken',
    );
    await expect(
      streamSafetensors(folder, 'x', [{ ...spec, name: '__metadata__' }], () => bytes),
    ).rejects.toThrow('the name is taken');
    await expect(streamSafetensors(folder, 'x', [spec], () => bytes.subarray(4))).rejects.toThrow(
      'mem/x: tensor "a": 4 bytes for F32 [2]',
    );
    await expect(streamSafetensors(folder, 'x', [{ ...spec, shape: [-1] }], () => bytes)).rejects.toThrow(
      'shape [-1]',
    );
  });

  it
    .skipIf(!hasShared)
    .each(['model.safetensors', 'expected.safetensors', 'adapter/adapter_model.safetensors'])(
    'has the bytes of the reference writer: %s',
    async (name) => {
      const path = `golden/qwen2_vl/${name}`;
      const [, folder = '', base = ''] = /^(.*)\/(.*)$/.exec(path) ?? [];
      const source = await openSafetensors(nodeFolder(shared(folder)), base);
      const memory = memoryFolder();
      await streamSafetensors(
        memory,
        'copy',
        [...source.tensors.values()],
        (spec) => source.readBytes(spec.name),
        { metadata: Object.fromEntries(source.metadata) },
      );
      await source.close();
      expect(Buffer.compare(memory.files.get('copy')!, readFileSync(shared(path)))).toBe(0);
    },
  );
});
