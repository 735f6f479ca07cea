/** Tables as text: CSV and TSV, quoted as RFC 4180 says, which is how pandas writes both. */
import { createReadStream } from 'node:fs';

/** A table's text cannot be cut into its rows. */
export class BadTable extends Error {
  override readonly name = 'BadTable';
  constructor(file: string, row: number, problem: string) {
    super(`${file}, record ${row}: ${problem}`);
  }
}

const [QUOTE, LINE_END, RETURN] = [0x22, 0x0a, 0x0d];

/** Where a byte stands next, asked with places that grow; the piece is searched once. */
function nextOf(piece: Buffer, byte: number): (from: number) => number {
  let at = -1;
  return (from) => {
    if (at < from) at = piece.indexOf(byte, from);
    if (at === -1) at = piece.length;
    return at;
  };
}

/**
 * Rows of cells, the header among them. A quoted cell may hold the separator, line ends and doubled quotes. Lines
 * without a character are passed over. The file is read in pieces, and each cell is a string of its own, since a cell may
 * hold a whole image and the others must not keep it in memory.
 */
async function* rowsOf(file: string, separator: number): AsyncGenerator<string[]> {
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  let [row, rows]: [string[], number] = [[], 0];
  let cell: Buffer[] = [];
  const endCell = (): void => {
    const bytes = cell.length === 1 ? cell[0]! : Buffer.concat(cell);
    const cut = state === 'plain' && bytes.at(-1) === RETURN ? 1 : 0;
    row.push(bytes.toString('utf8', 0, bytes.length - cut));
    [cell, state] = [[], 'start'];
  };
  const isEmpty = (): boolean => row.length === 1 && row[0] === '';
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    const [quote, comma, lineEnd] = [QUOTE, separator, LINE_END].map((byte) => nextOf(piece, byte));
    for (let from = 0; from < piece.length;) {
      if (state === 'start' && piece[from] === QUOTE) {
        [state, from] = ['quoted', from + 1];
      } else if (state === 'quoted') {
        const end = quote!(from);
        cell.push(piece.subarray(from, end));
        if (end < piece.length) state = 'closed';
        from = end + 1;
      } else if (state === 'closed' && piece[from] === QUOTE) {
        cell.push(piece.subarray(from, from + 1));
        [state, from] = ['quoted', from + 1];
      } else {
        const end = Math.min(comma!(from), lineEnd!(from));
        const rest = piece.subarray(from, end);
        if (state !== 'closed') {
          cell.push(rest);
          state = 'plain';
        } else if (rest.toString().trim() !== '')
          throw new BadTable(
            file,
            rows,
            `after a closing quote stands ${JSON.stringify(rest.toString('utf8', 0, 20))}`,
          );
        from = end + 1;
        if (end === piece.length) continue;
        endCell();
        if (piece[end] !== LINE_END) continue;
        if (!isEmpty()) {
          yield row;
          rows++;
        }
        row = [];
      }
    }
  }
  if (state === 'quoted') throw new BadTable(file, rows, 'a quote is opened and never closed');
  if (state !== 'start' || row.length > 0) endCell();
  if (row.length > 0 && !isEmpty()) yield row;
}

/**
 * Records of a `.csv` or `.tsv` file, cells by the names in its first row. Throws {@link BadTable}, which names the
 * record, from 1, where quotes do not close or cells are more or fewer than names.
 */
export async function* readDelimited(file: string): AsyncGenerator<Readonly<Record<string, string>>> {
  let names: readonly string[] | undefined;
  let record = 0;
  for await (const row of rowsOf(file, (file.endsWith('.tsv') ? '\t' : ',').charCodeAt(0))) {
    if (names === undefined) {
      // Excel begins a file with a byte order mark.
      names = row.map((name) => name.replace(/^\uFEFF/, '').trim());
      continue;
    }
    record++;
    if (row.length !== names.length)
      throw new BadTable(
        file,
        record,
        `${row.length} cells under ${names.length} names: is a quote missing?`,
      );
    yield Object.fromEntries(names.map((name, i) => [name, row[i]!]));
  }
}
