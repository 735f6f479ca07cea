import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const Row = z.looseObject({ caseId: z.string().optional(), id: z.string().optional() });

/** Sorted ids of the cases that an artifact's rows speak of, for its manifest: what `lineage` follows a case by. */
export async function caseIdsOf(folder: string): Promise<string[]> {
  const ids = new Set<string>();
  const files = (await readdir(folder)).filter(
    (name) => name.endsWith('.jsonl') && name !== 'metrics.jsonl' && name !== 'rejects.jsonl',
  );
  for (const name of files) {
    const lines = createInterface({ input: createReadStream(path.join(folder, name)), crlfDelay: Infinity });
    for await (const line of lines) {
      const { caseId, id } = Row.parse(JSON.parse(line));
      const found = caseId ?? id;
      if (found !== undefined) ids.add(found);
    }
  }
  return [...ids].toSorted();
}
