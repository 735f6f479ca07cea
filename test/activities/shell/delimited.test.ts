import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadTable, readDelimited } from '../../../activities/shell/delimited.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'delimited-'));
});
afterAll(() => rm(folder, { recursive: true }));

const read = async (name: string, text: string): Promise<Readonly<Record<string, string>>[]> => {
  const file = path.join(folder, name);
  await writeFile(file, text);
  const rows = [];
  for await (const row of readDelimited(file)) rows.push(row);
  return rows;
};

describe('a table', () => {
  it('has its cells by the names of the first row, blanks and all', async () =>
    expect(await read('a.csv', 'x, y ,z\n1, two ,\n,,3')).toEqual([
      { x: '1', y: ' two ', z: '' },
      { x: '', y: '', z: '3' },
    ]));

  it('has separators, line ends and quotes inside quoted cells', async () =>
    expect(await read('quoted.csv', 'x,y\r\n"a, ""b""\r\nc",""\r\n"""",de\r\n')).toEqual([
      { x: 'a, "b"\r\nc', y: '' },
      { x: '"', y: 'de' },
    ]));

  it('is cut at tabs where its name says so, after a byte order mark, empty lines passed over', async () =>
    expect(await read('b.tsv', '\uFEFFx\ty\n\n1,2\t"3\t4"\n\n')).toEqual([{ x: '1,2', y: '3\t4' }]));

  it('reads cells that are longer than the pieces a file is read in, with letters across their ends', async () => {
    const long = `${'ä'.repeat(700_000)}"`.repeat(2);
    const rows = await read('long.csv', `x,y\n"${long.replaceAll('"', '""')}",ö${'ü'.repeat(1_200_000)}\nz,`);
    expect(rows).toHaveLength(2);
    expect(rows[0]!['x'] === long).toBe(true);
    expect(rows[0]!['y'] === `ö${'ü'.repeat(1_200_000)}`).toBe(true);
    expect(rows[1]).toEqual({ x: 'z', y: '' });
  });

  it.each([
    ['x,y\n1,2\n1\n', /columns length is 2, got 1 on line 3/],
    ['x,y\n1,"2\n3,4\n', /Quote Not Closed.*at line 3/],
    ['x,y\n1,"2"3\n', /Invalid Closing Quote: got "3" at line 2/],
    ['x,y\n1,2"3\n', /Invalid Opening Quote.*at line 2/],
  ])('that cannot be cut is refused: %j', async (text, problem) => {
    const refused = read('bad.csv', text);
    await expect(refused).rejects.toThrow(BadTable);
    await expect(refused).rejects.toThrow(problem);
    await expect(refused).rejects.toThrow(/bad\.csv/);
  });

  it('that is not there is named', async () => {
    const rows = readDelimited(path.join(folder, 'none.csv'));
    await expect(rows.next()).rejects.toThrow(/ENOENT.*none\.csv/);
  });
});
