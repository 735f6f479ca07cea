import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PresetName } from '../schemas/presets.ts';
import { variants } from '../schemas/variants.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): Promise<string> => readFile(path.join(root, file), 'utf8');

const pages = async (): Promise<string[]> => {
  const docs = await readdir(path.join(root, 'docs'), { recursive: true });
  return ['README.md', ...docs.filter((file) => file.endsWith('.md')).map((file) => path.join('docs', file))];
};

describe('the documentation', () => {
  it('links only to what is there', async () => {
    const broken: string[] = [];
    for (const page of await pages()) {
      for (const [, target = ''] of (await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
        const file = path.resolve(root, path.dirname(page), target.split('#')[0] ?? '');
        if (!/^https?:/.test(target) && !existsSync(file)) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('lists each decision in the index', async () => {
    const index = await read('docs/index.md');
    const decisions = await readdir(path.join(root, 'docs/adr'));
    expect(decisions.filter((file) => !index.includes(`adr/${file}`))).toEqual([]);
  });

  it('lists each preset and each variant', async () => {
    const text = await read('docs/configuration.md');
    const names = [...PresetName.options, ...Object.keys(variants)];
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  it('maps folders that exist', async () => {
    const folders = [...(await read('README.md')).matchAll(/^\| `([a-z]+[./][a-z./]*)` /gm)].map(
      ([, folder = '']) => folder,
    );
    expect(folders.length).toBeGreaterThan(5);
    expect(folders.filter((folder) => !existsSync(path.join(root, folder)))).toEqual([]);
  });
});
