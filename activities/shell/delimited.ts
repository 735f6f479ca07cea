/** Tables as text: CSV and TSV, quoted as RFC 4180 says, which is how pandas writes both. */
import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';

/** Bytes of a row above which a quote was opened and never closed, rather than that its cells hold images. */
const MOST_BYTES = 2 ** 28;

/** A table's text cannot be cut into its rows. */
export class BadTable extends Error {
  override readonly name = 'BadTable';
}

/**
 * Records of a `.csv` or `.tsv` file, cells by the names in its first row; the file is read in pieces, since cells may hold
 * whole images. Throws {@link BadTable}, which names the line, where quotes do not close or do not belong there, or where
 * cells are more or fewer than names.
 */
export async function* readDelimited(file: string): AsyncGenerator<Readonly<Record<string, string>>> {
  const parser = parse({
    // Excel begins a file with a byte order mark.
    bom: true,
    columns: (names: readonly string[]) => names.map((name) => name.trim()),
    delimiter: file.endsWith('.tsv') ? '\t' : ',',
    max_record_size: MOST_BYTES,
    skip_empty_lines: true,
  });
  const source = createReadStream(file).once('error', (error) => parser.destroy(error));
  try {
    yield* source.pipe(parser) as AsyncIterable<Record<string, string>>;
  } catch (error) {
    if (error instanceof CsvError) throw new BadTable(`${file}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    source.destroy();
  }
}
