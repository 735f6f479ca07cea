import { rm } from 'node:fs/promises';
import { CheckpointRecord } from '../schemas/checkpoint-record.ts';
import type { Digest } from '../schemas/digest.ts';
import type { Reference } from '../schemas/reference.ts';
import { Corrupt, CorruptInput, InvalidManifest, PreconditionFailed } from './errors.ts';
import { checkpointKey, checkpointPrefix } from './keys.ts';
import type { ObjectEntry } from './object-port.ts';
import { readSealed, sealedBytes, writeSealed } from './sealed.ts';
import type { ArtifactStore, TransferOptions } from './store.ts';

/** Publishes a folder as the state of an unfinished action at the boundary of optimizer step `step`. */
export async function saveCheckpoint(
  store: ArtifactStore,
  key: Digest,
  step: number,
  folder: string,
  options: TransferOptions = {},
): Promise<Reference> {
  const state = await store.putFolder(folder, { kind: 'training-state' }, options);
  const record: CheckpointRecord = { version: 1, key, step, state, savedAt: new Date().toISOString() };
  try {
    await writeSealed(store.port, checkpointKey(key, step), record, { ...options, ifAbsent: true });
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
    // A step's state is a function of the action and the step: what an earlier attempt saved only differs if damaged.
    await store.port.put(checkpointKey(key, step), sealedBytes(checkpointKey(key, step), record), options);
  }
  return state;
}

/** A checkpoint that was fetched, and notes about newer ones that were damaged. */
export interface FoundCheckpoint {
  readonly step: number;
  readonly state: Reference;
  readonly notes: readonly string[];
}

/**
 * Fetches the newest sound checkpoint of an action into `folder`. Damaged ones are quarantined and passed over.
 * `found` is undefined where none is sound; `folder` then does not exist.
 */
export async function newestCheckpoint(
  store: ArtifactStore,
  key: Digest,
  folder: string,
  options: TransferOptions = {},
): Promise<{ found: FoundCheckpoint | undefined; notes: readonly string[] }> {
  const objects: ObjectEntry[] = [];
  for await (const object of store.port.list(checkpointPrefix(key), options)) objects.push(object);
  const notes: string[] = [];
  for (const object of objects.reverse()) {
    try {
      const record = await readSealed(store.port, object.key, CheckpointRecord, options);
      if (!record || record.value.key !== key) continue;
      await store.fetch(record.value.state.digest, folder, options);
      return { found: { step: record.value.step, state: record.value.state, notes }, notes };
    } catch (error) {
      if (!(error instanceof Corrupt || error instanceof CorruptInput || error instanceof InvalidManifest))
        throw error;
      if (error instanceof CorruptInput) await store.quarantine(error.digest, options);
      notes.push(`checkpoint ${object.key} passed over: ${error.message}`);
      await rm(folder, { recursive: true, force: true });
    }
  }
  return { found: undefined, notes };
}

/** Forgets the checkpoints of an action; their chunks go with the next garbage collection. Returns how many there were. */
export async function dropCheckpoints(
  store: ArtifactStore,
  key: Digest,
  options: TransferOptions = {},
): Promise<number> {
  const objects: ObjectEntry[] = [];
  for await (const object of store.port.list(checkpointPrefix(key), options)) objects.push(object);
  await Promise.all(objects.map((object) => store.port.delete(object.key, options)));
  return objects.length;
}
