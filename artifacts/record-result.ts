import type { Action } from '../schemas/action.ts';
import { ActionResult } from '../schemas/action-result.ts';
import type { Digest } from '../schemas/digest.ts';
import type { EdgeEntry } from '../schemas/index-entry.ts';
import type { Reference } from '../schemas/reference.ts';
import type { Change } from '../schemas/verdict.ts';
import { provenResult, putAction } from './actions.ts';
import { digestOf } from './canonical.ts';
import { changesBetween } from './changes.ts';
import { quarantineObject } from './content.ts';
import { Corrupt, NotFound, PreconditionFailed } from './errors.ts';
import { edgeKey, otherResultKey, resultKey } from './keys.ts';
import type { CallOptions } from './object-port.ts';
import { readSealed, unseal, writeSealed } from './sealed.ts';
import type { ArtifactStore } from './store.ts';

/** What a finished step reports of itself. */
export type Outcome = Omit<ActionResult, 'version' | 'key' | 'stage'>;

export interface Recorded {
  /**
   * `recorded`: the action had no result. `same`: it had one with equal outputs, which stays. `different`: it has
   * another one, which stays; this one is kept beside it, which for a bitwise stage is nondeterminism.
   * `replaced`: the one it had was damaged or had lost outputs.
   */
  readonly status: 'recorded' | 'same' | 'different' | 'replaced';
  /** The result that now counts. */
  readonly result: ActionResult;
  /** Outputs that differ between the result that counts (`before`) and this one (`after`). */
  readonly different: readonly Change[];
}

/**
 * Records the result of an action whose outputs are published, then the lineage index. The first result counts;
 * equal ones add nothing. Who calls it is told by `status` whether to report nondeterminism.
 */
export async function recordResult(
  store: ArtifactStore,
  action: Action,
  outcome: Outcome,
  options: CallOptions = {},
): Promise<Recorded> {
  const key = await putAction(store, action, options);
  const result = ActionResult.parse({ ...outcome, version: 1, key, stage: action.stage });
  const recorded = await settle(store, key, result, options);
  const made = [...Object.entries(recorded.result.outputs), ...Object.entries(result.outputs)];
  await writeEdges(store, action, key, made, options);
  return recorded;
}

async function settle(
  store: ArtifactStore,
  key: Digest,
  result: ActionResult,
  options: CallOptions,
): Promise<Recorded> {
  const object = resultKey(key);
  for (;;) {
    try {
      await writeSealed(store.port, object, result, { ...options, ifAbsent: true });
      return { status: 'recorded', result, different: [] };
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
    }
    try {
      return await beside(store, key, result, options);
    } catch (error) {
      // Another writer came in between: look again.
      if (!(error instanceof PreconditionFailed) && !(error instanceof NotFound)) throw error;
    }
  }
}

async function beside(
  store: ArtifactStore,
  key: Digest,
  result: ActionResult,
  options: CallOptions,
): Promise<Recorded> {
  const object = resultKey(key);
  const there = await store.port.get(object, options);
  const current = currentIn(object, there.bytes);
  if (!current) {
    await quarantineObject(store.port, there, options);
    const { etag } = await store.port.head(object, options);
    await writeSealed(store.port, object, result, { ...options, ifMatch: etag });
    return { status: 'replaced', result, different: [] };
  }
  const different = changesBetween('outputs', digests(current), digests(result));
  if (different.length === 0) return { status: 'same', result: current, different };
  const { result: proven } = await provenResult(store, key, options);
  const loser = proven ? result : current;
  await writeSealed(store.port, otherResultKey(key, digestOf(loser)), loser, {
    ...options,
    ifAbsent: true,
  }).catch((error: unknown) => {
    if (!(error instanceof PreconditionFailed)) throw error;
  });
  if (proven) return { status: 'different', result: proven, different };
  await writeSealed(store.port, object, result, { ...options, ifMatch: there.etag });
  return { status: 'replaced', result, different };
}

function currentIn(object: string, bytes: Buffer): ActionResult | undefined {
  try {
    return unseal(object, bytes, ActionResult);
  } catch (error) {
    if (error instanceof Corrupt) return undefined;
    throw error;
  }
}

const digests = (result: ActionResult): Record<string, Digest> =>
  Object.fromEntries(Object.entries(result.outputs).map(([name, output]) => [name, output.digest]));

/** Index entries of the action's inputs and outputs; also of outputs that differ from those that count. */
async function writeEdges(
  store: ArtifactStore,
  { stage, inputs }: Action,
  key: Digest,
  outputs: readonly (readonly [string, Reference])[],
  options: CallOptions,
): Promise<void> {
  const edge = async (side: 'made-by' | 'used-by', name: string, artifact: Digest): Promise<void> => {
    const entry: EdgeEntry = { version: 1, artifact, key, stage, name };
    try {
      await writeSealed(store.port, edgeKey(side, artifact, key, name), entry, {
        ...options,
        ifAbsent: true,
      });
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
    }
  };
  const made = new Map(outputs.map(([name, { digest }]) => [`${name} ${digest}`, { name, digest }]));
  await Promise.all([
    ...[...made.values()].map(({ name, digest }) => edge('made-by', name, digest)),
    ...Object.entries(inputs).map(([name, input]) => edge('used-by', name, input)),
  ]);
}

/** The results of an action that differ from the one that counts, if any. */
export async function otherResults(
  store: ArtifactStore,
  key: Digest,
  options: CallOptions = {},
): Promise<ActionResult[]> {
  const found: ActionResult[] = [];
  for await (const object of store.port.list(otherResultKey(key, key).replace(/[^/]*$/, ''), options)) {
    const record = await readSealed(store.port, object.key, ActionResult, options);
    if (record) found.push(record.value);
  }
  return found;
}
