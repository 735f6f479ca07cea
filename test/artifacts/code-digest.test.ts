import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changesBetween } from '../../artifacts/changes.ts';
import { codeMap, traceCode } from '../../artifacts/code-digest.ts';

const FILES: Record<string, string> = {
  'stage/entry.ts': `import { add } from './add.ts';
import type { Shape } from './types.ts';
import { type Other, scale } from '../lib/scale.ts';
import prompt from './prompt.json' with { type: 'json' };
import { z } from 'zod';
/** Doubles. */
export const run = (x: number, shape?: Shape | Other): number => add(x, scale(x)) + prompt.weight + (shape ? 1 : 0) + (z ? 0 : 1);
`,
  'stage/add.ts': `import { readFileSync } from 'node:fs';
export const add = (a: number, b: number): number => {
  // Sums.
  return a + b + (readFileSync ? 0 : 1);
};
`,
  'stage/types.ts': 'export interface Shape { rows: number }\n',
  'stage/prompt.json': '{ "weight": 2 }\n',
  'lib/scale.ts': 'export interface Other { x: 1 }\nexport const scale = (x: number): number => x * 2;\n',
  'lib/unused.ts': 'export const unused = 1;\n',
  'package-lock.json': JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { zod: '4', other: '1' } },
      'node_modules/zod': { version: '4.0.0', integrity: 'sha512-z', dependencies: { inner: '^1' } },
      'node_modules/zod/node_modules/inner': {
        version: '1.5.0',
        integrity: 'sha512-i15',
        peerDependencies: { deep: '*', optional: '*' },
        peerDependenciesMeta: { optional: { optional: true } },
      },
      'node_modules/inner': { version: '1.0.0', integrity: 'sha512-i10' },
      'node_modules/deep': { version: '3.0.0', integrity: 'sha512-d', dependencies: { zod: '*' } },
      'node_modules/optional': { version: '1.0.0', integrity: 'sha512-o' },
      'node_modules/other': { version: '1.0.0', integrity: 'sha512-x' },
    },
  }),
};

describe('the code digest', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-code-'));
    for (const [name, text] of Object.entries(FILES)) await write(name, text);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const write = async (name: string, text: string): Promise<void> => {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  };
  const trace = () => traceCode(root, ['stage/entry.ts']);
  /** Paths of the code map that an edit of one file changes. */
  const changed = async (name: string, edit: (text: string) => string): Promise<string[]> => {
    const before = await trace();
    const text = FILES[name] ?? '';
    const edited = edit(text);
    expect(edited).not.toBe(text);
    await write(name, edited);
    const after = await trace();
    await write(name, text);
    return changesBetween('', before, after).map((change) => change.path);
  };

  it('names every module that runs and every package that may, and nothing else', async () => {
    expect(Object.keys(await trace())).toEqual([
      'lib/scale.ts',
      'node_modules/deep',
      'node_modules/zod',
      'node_modules/zod/node_modules/inner',
      'stage/add.ts',
      'stage/entry.ts',
      'stage/prompt.json',
    ]);
    expect((await trace())['node_modules/zod']).toBe('4.0.0 sha512-z');
  });

  it.each<[string, string, (text: string) => string]>([
    ['a comment', 'stage/add.ts', (t) => t.replace('// Sums.', '// Adds both.')],
    ['a comment in an expression', 'stage/add.ts', (t) => t.replace('a + b', 'a /* left */ + b')],
    ['a doc comment', 'stage/entry.ts', (t) => t.replace('/** Doubles. */\n', '')],
    ['a licence comment', 'stage/add.ts', (t) => `/*! @license X */\n${t}`],
    ['layout', 'stage/add.ts', (t) => t.replaceAll('\n', '\n\n').replaceAll('  ', '\t')],
    [
      'quotes, semicolons and trailing commas',
      'stage/entry.ts',
      (t) => t.replaceAll("'", '"').replaceAll(';', '').replace('scale(x))', 'scale(x,),)'),
    ],
    ['redundant parentheses', 'stage/add.ts', (t) => t.replace('a + b +', '(a + b) +')],
    ['a type annotation', 'stage/add.ts', (t) => t.replace('): number', '): 1 | number')],
    ['a type cast', 'stage/add.ts', (t) => t.replace('a + b', '(a as number) + b!')],
    ['a new interface', 'lib/scale.ts', (t) => `export interface New { y: 2 }\n${t}`],
    ['a file of types', 'stage/types.ts', (t) => t.replace('rows', 'columns')],
    [
      'a type-only import',
      'stage/add.ts',
      (t) => `import type { unused } from '../lib/unused.ts';\nexport type U = typeof unused;\n${t}`,
    ],
    [
      'an inline type import',
      'stage/add.ts',
      (t) => `import { type Shape } from './types.ts';\nexport type S = Shape;\n${t}`,
    ],
    [
      'types of a package',
      'stage/add.ts',
      (t) => `import { type Z } from 'other';\nexport type Q = Z;\n${t}`,
    ],
    ['a module it does not import', 'lib/unused.ts', (t) => t.replace('1', '2')],
    ['a package it does not load', 'package-lock.json', (t) => t.replace('sha512-x', 'sha512-y')],
    ['an optional peer', 'package-lock.json', (t) => t.replace('sha512-o', 'sha512-p')],
  ])('does not change with %s', async (_, name, edit) => {
    expect(await changed(name, edit)).toEqual([]);
  });

  it.each<[string, string, (text: string) => string, string[]]>([
    ['an operator', 'stage/add.ts', (t) => t.replace('a + b', 'a - b'), ['stage/add.ts']],
    ['a constant two imports away', 'lib/scale.ts', (t) => t.replace('* 2', '* 3'), ['lib/scale.ts']],
    [
      'a string',
      'stage/entry.ts',
      (t) => t.replace('x: number', "x: number, s = 'a  b'"),
      ['stage/entry.ts'],
    ],
    ['a data file', 'stage/prompt.json', (t) => t.replace('2', '3'), ['stage/prompt.json']],
    [
      'a new import',
      'stage/add.ts',
      (t) => `import { unused } from '../lib/unused.ts';\nexport const u = unused;\n${t}`,
      ['lib/unused.ts', 'stage/add.ts'],
    ],
    [
      'a side-effect import',
      'stage/add.ts',
      (t) => `import '../lib/unused.ts';\n${t}`,
      ['lib/unused.ts', 'stage/add.ts'],
    ],
    ['a package', 'package-lock.json', (t) => t.replace('sha512-z', 'sha512-zz'), ['node_modules/zod']],
    [
      'a package of a package',
      'package-lock.json',
      (t) => t.replace('sha512-i15', 'sha512-i16'),
      ['node_modules/zod/node_modules/inner'],
    ],
    [
      'a peer of a package of a package',
      'package-lock.json',
      (t) => t.replace('3.0.0', '3.0.1'),
      ['node_modules/deep'],
    ],
  ])('changes with %s, and names it', async (_, name, edit, paths) => {
    expect(await changed(name, edit)).toEqual(paths);
  });

  it('says which import leads nowhere and which package is not pinned', async () => {
    await write('stage/add.ts', "export { x as add } from './gone.ts';\n");
    await expect(trace()).rejects.toThrow('stage/add.ts imports stage/gone.ts, which cannot be read');
    await write('stage/add.ts', "export { x as add } from 'unpinned/part';\n");
    await expect(trace()).rejects.toThrow('package unpinned is imported but not in package-lock.json');
  });

  it('does not depend on the folder it is in', async () => {
    const before = await trace();
    const elsewhere = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-code-'));
    for (const [name, text] of Object.entries(FILES)) {
      await mkdir(path.dirname(path.join(elsewhere, name)), { recursive: true });
      await writeFile(path.join(elsewhere, name), text);
    }
    expect(await traceCode(elsewhere, ['stage/entry.ts'])).toEqual(before);
    await rm(elsewhere, { recursive: true });
  });

  it('is traced once in a process, and then the same as traced anew', async () => {
    const project = path.resolve(import.meta.dirname, '../..');
    const entries = ['artifacts/store.ts', 'artifacts/code-digest.ts'];
    const first = codeMap(project, entries);
    expect(codeMap(project, entries)).toBe(first);
    const map = await first;
    expect(map['artifacts/window.ts']).toMatch(/^sha256:/);
    expect(map['node_modules/minio']).toBeUndefined();
    expect(map['node_modules/esbuild']).toMatch(/^0\./);
    expect(await traceCode(project, entries)).toEqual(map);
  });
});
