import type { RunId } from '../schemas/run-record.ts';
import { RunRecord } from '../schemas/run-record.ts';
import { NotFound, UnknownName } from './errors.ts';
import { runKey, runPrefix } from './keys.ts';
import type { CallOptions } from './object-port.ts';
import { readSealed, updateSealed, writeSealed } from './sealed.ts';
import type { ArtifactStore } from './store.ts';
import { throughWindow } from './window.ts';

/** Stores a new run. Throws `PreconditionFailed` where its id is taken. */
export async function createRun(
  store: ArtifactStore,
  run: RunRecord,
  options: CallOptions = {},
): Promise<void> {
  await writeSealed(store.port, runKey(run.runId), RunRecord.parse(run), { ...options, ifAbsent: true });
}

/** Replaces a run by what `change` makes of it, whoever else writes to it. Throws `NotFound`. */
export async function updateRun(
  store: ArtifactStore,
  runId: RunId,
  change: (run: RunRecord) => RunRecord,
  options: CallOptions = {},
): Promise<RunRecord> {
  const next = await updateSealed(store.port, runKey(runId), RunRecord, (run) => run && change(run), options);
  if (!next) throw new NotFound(`no run ${runId}`);
  return next;
}

/** The run of an id, or of the only id that ends or starts with `name`. Throws `UnknownName`. */
export async function readRun(
  store: ArtifactStore,
  name: string,
  options: CallOptions = {},
): Promise<RunRecord> {
  if (/^[0-9A-Z]{26}$/.test(name)) {
    const record = await readSealed(store.port, runKey(name), RunRecord, options);
    if (record) return record.value;
  }
  const ids = await runIds(store, options);
  const found = name.length < 4 ? [] : ids.filter((id) => id.startsWith(name) || id.endsWith(name));
  const [only] = found;
  if (only === undefined)
    throw new UnknownName(`no run goes by ${JSON.stringify(name)}: \`runs\` lists them`);
  if (found.length > 1)
    throw new UnknownName(`${JSON.stringify(name)} is ambiguous: ${found.slice(0, 8).join(', ')}`);
  return readRun(store, only, options);
}

/** Runs, newest first, at most `limit`. */
export async function listRuns(
  store: ArtifactStore,
  options: CallOptions & { limit?: number } = {},
): Promise<RunRecord[]> {
  const ids = (await runIds(store, options)).reverse().slice(0, options.limit);
  const runs: RunRecord[] = [];
  await throughWindow(
    ids,
    () => 1,
    options.signal,
    (id, signal) => readSealed(store.port, runKey(id), RunRecord, { ...options, signal }),
    (_, record) => void (record && runs.push(record.value)),
  );
  return runs;
}

async function runIds(store: ArtifactStore, options: CallOptions): Promise<RunId[]> {
  const ids: RunId[] = [];
  for await (const { key } of store.port.list(runPrefix(), options))
    ids.push(key.slice(runPrefix().length).replace(/\.json$/, ''));
  return ids;
}
