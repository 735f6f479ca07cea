import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');
const HEAD = `import { expect, it } from 'vitest';\n`;

describe('the last line of a test run', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'mmedexpert-reporter-'));
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const lastLine = (...files: string[]) =>
    new Promise<string | undefined>((resolve) => {
      const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
      const reporter = `--reporter=${path.join(ROOT, 'test/_count-reporter.ts')}`;
      const args = [vitest, 'run', '--reporter=default', reporter, ...files];
      execFile(process.execPath, args, { cwd: folder }, (_, stdout) =>
        resolve(stdout.trimEnd().split('\n').at(-1)),
      );
    });

  it('counts what passed, failed and was skipped, and files that do not load', async () => {
    await writeFile(path.join(folder, 'good.test.ts'), `${HEAD}it('a', () => {}); it.skip('b', () => {});`);
    await writeFile(path.join(folder, 'bad.test.ts'), `${HEAD}it('c', () => expect(1).toBe(2));`);
    await writeFile(path.join(folder, 'broken.test.ts'), `import './nowhere.ts';`);
    expect(await lastLine()).toBe('1 passed, 2 failed, 1 skipped');
    await writeFile(path.join(folder, 'good.test.ts'), `${HEAD}it('a', () => {});`);
    expect(await lastLine('good')).toBe('1 passed, 0 failed');
  });
});
