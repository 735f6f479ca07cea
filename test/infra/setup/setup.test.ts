import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkout, makeCheckout } from './_checkout.ts';

const linux = process.platform === 'linux' && process.arch === 'x64';

describe.skipIf(!linux)('setting up', () => {
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await makeCheckout();
  });
  afterAll(() => checkout.remove());

  const nothingHalfDone = async () => {
    expect(existsSync(path.join(checkout.cache, 'tmp'))).toBe(false);
    expect(await readdir(path.join(checkout.cache, 'locks'))).toEqual([]);
  };

  it('names every program that is missing, with what to install, before it does anything', async () => {
    const empty = path.join(checkout.root, 'empty');
    await mkdir(empty);
    const { code, said } = await checkout.setUp({ PATH: empty, TEMPORAL_ADDRESS: undefined });
    expect(code).toBe(1);
    expect(said).toMatch(/python3 is missing: install Python/);
    expect(said).toMatch(/g\+\+ is missing: install a C\+\+17 compiler/);
    expect(said).toMatch(/go is missing: install Go/);
    expect(existsSync(path.join(checkout.root, 'node_modules'))).toBe(false);
  });

  it('does not ask for Go where servers are named or on PATH', async () => {
    const folder = path.join(checkout.root, 'with-temporal');
    await mkdir(folder);
    await symlink('/bin/true', path.join(folder, 'temporal'));
    const { said } = await checkout.setUp({ PATH: folder, TEMPORAL_ADDRESS: undefined });
    expect(said).toContain('python3 is missing');
    expect(said).not.toContain('go is missing');
  });

  it('refuses an accelerator that it does not know', async () => {
    const { code, said } = await checkout.setUp({ MMEDEXPERT_ACCELERATOR: 'tpu' });
    expect([code, said]).toEqual([1, 'error: MMEDEXPERT_ACCELERATOR is "tpu": it is cpu or cuda\n']);
  });

  it('goes on after it was killed in the middle', async () => {
    await checkout.killAt('TensorFlow 2.21.0 library for cpu …');
    expect(existsSync(path.join(checkout.cache, 'locks/native'))).toBe(true);
    const { code, said } = await checkout.setUp();
    expect([code, said]).toEqual([0, expect.stringContaining('TensorFlow binding (compiled) … ok')]);
    expect(await checkout.load()).toBe('tiny');
    await nothingHalfDone();
  });

  it('does nothing the second time', async () => {
    const started = performance.now();
    expect(await checkout.setUp({ PATH: path.join(checkout.root, 'empty') })).toEqual({
      code: 0,
      said: 'setup: all is there\n',
    });
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('makes the library once when two set-ups start together', async () => {
    await rm(checkout.cache, { recursive: true });
    await rm(path.join(checkout.root, 'node_modules'), { recursive: true });
    const both = await Promise.all([checkout.setUp(), checkout.setUp()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const said = both.map((outcome) => outcome.said).join('');
    expect(said.match(/library for cpu … ok/g)).toHaveLength(1);
    expect(said.match(/npm packages … ok/g)).toHaveLength(1);
    expect(await checkout.load()).toBe('tiny');
    await nothingHalfDone();
  });

  it('makes a truncated library anew', async () => {
    const file = path.join(await checkout.library(), 'tensorflow/libtensorflow_cc.so.2');
    const { size } = await stat(file);
    await truncate(file, size - 1);
    expect((await checkout.setUp()).said).toContain('library for cpu … ok');
    expect((await stat(file)).size).toBe(size);
  });

  it('makes a library with one changed byte anew, under --verify even where its time tells nothing', async () => {
    const file = path.join(await checkout.library(), 'tensorflow/libtensorflow_framework.so.2');
    const damage = async (keepTime: boolean) => {
      const { atime, mtime } = await stat(file);
      const bytes = await readFile(file);
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(file, bytes);
      if (keepTime) await utimes(file, atime, mtime);
    };
    await damage(false);
    expect((await checkout.setUp()).said).toContain('library for cpu … ok');
    await damage(true);
    expect((await checkout.setUp({}, ['--verify'])).said).toContain('library for cpu … ok');
    expect(await checkout.setUp({}, ['--verify'])).toEqual({ code: 0, said: 'setup: all is there\n' });
  });

  it('puts the binding back where the packages were installed anew, without compiling', async () => {
    await rm(path.join(checkout.root, 'vendor/tfjs/lib'), { recursive: true });
    const { code, said } = await checkout.setUp();
    expect([code, said]).toEqual([0, 'setup: all is there\n']);
    expect(await checkout.load()).toBe('tiny');
  });

  it('compiles the binding anew where its source changed', async () => {
    const source = path.join(checkout.root, 'vendor/tfjs/binding/binding.cc');
    await writeFile(source, `${await readFile(source, 'utf8')}\n// another`);
    expect((await checkout.setUp()).said).toMatch(/^setup: TensorFlow binding \(compiled\) … ok/m);
  });

  it('says what the compiler said when the binding does not compile, and keeps nothing of it', async () => {
    const source = path.join(checkout.root, 'vendor/tfjs/binding/binding.cc');
    const right = await readFile(source, 'utf8');
    await writeFile(source, `${right}\nnonsense`);
    const { code, said } = await checkout.setUp();
    expect([code, said]).toEqual([1, expect.stringMatching(/g\+\+ .* exit code 1:\n.*error: .*nonsense/)]);
    await writeFile(source, right);
    expect((await checkout.setUp()).code).toBe(0);
    await nothingHalfDone();
  });

  it('refuses a wheel that is not the pinned one, and keeps nothing of it', async () => {
    await checkout.pin('0'.repeat(64));
    const before = await readdir(path.join(checkout.cache, 'tensorflow'));
    const { code, said } = await checkout.setUp();
    expect(code).toBe(1);
    expect(said).toMatch(/tensorflow_cpu-2\.21\.0.*has sha256 .*, not the pinned 0{64}/);
    expect(await readdir(path.join(checkout.cache, 'tensorflow'))).toEqual(before);
  });
});
