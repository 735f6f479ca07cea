import type { Action } from '../schemas/action.ts';
import { ActionPreimage, CodeMap } from '../schemas/action.ts';
import { ActionResult } from '../schemas/action-result.ts';
import type { Digest } from '../schemas/digest.ts';
import { StepPointer } from '../schemas/step-pointer.ts';
import type { Change, MissReason, Verdict } from '../schemas/verdict.ts';
import { actionKey, preimageOf } from './action-key.ts';
import { canonicalBytes, digestOf, digestOfBytes } from './canonical.ts';
import { changesBetween } from './changes.ts';
import { getContent, putContent, removeDamaged } from './content.ts';
import { Corrupt, NotFound } from './errors.ts';
import { parseCanonical } from './json.ts';
import { codeKey, preimageKey, resultKey, stepKey } from './keys.ts';
import type { CallOptions } from './object-port.ts';
import { readSealed, updateSealed } from './sealed.ts';
import type { ArtifactStore } from './store.ts';

export interface LookupOptions extends CallOptions {
  /** Name of the step that asks; a miss is explained by the action last looked up under it. */
  readonly step: string;
}

/**
 * What the store knows of an action. A hit is proven: the record matches its seal, each output's manifest its digest,
 * and every chunk is there with its size. The action's preimage is stored and becomes the step's latest.
 */
export async function lookup(store: ArtifactStore, action: Action, options: LookupOptions): Promise<Verdict> {
  const key = actionKey(action);
  const [found, before] = await Promise.all([
    provenResult(store, key, options),
    rememberAction(store, key, action, options),
  ]);
  if (found.result) return { verdict: 'hit', key, result: found.result };
  return {
    verdict: 'miss',
    key,
    reason: found.reason ?? (await explain(store, key, action, before, options)),
  };
}

/** The result of an action as recorded, unproven; undefined where there is none. Throws `Corrupt`. */
export async function readResult(
  store: ArtifactStore,
  key: Digest,
  options: CallOptions = {},
): Promise<ActionResult | undefined> {
  return (await readSealed(store.port, resultKey(key), ActionResult, options))?.value;
}

/** An action as stored under its key, with its code map. Throws `NotFound`, `Corrupt`. */
export async function readAction(
  store: ArtifactStore,
  key: Digest,
  options: CallOptions = {},
): Promise<Action> {
  const preimage = await readPreimage(store, key, options);
  const bytes = await getContent(store.port, codeKey(preimage.code), preimage.code, options);
  return { ...preimage, code: parseCanonical(codeKey(preimage.code), bytes, CodeMap) };
}

/** An action as stored under its key, its code as a digest. Throws `NotFound`, `Corrupt`. */
export async function readPreimage(
  store: ArtifactStore,
  key: Digest,
  options: CallOptions = {},
): Promise<ActionPreimage> {
  const object = preimageKey(key);
  return parseCanonical(object, await getContent(store.port, object, key, options), ActionPreimage);
}

/** Stores an action's preimage and code map under its key, once. */
export async function putAction(
  store: ArtifactStore,
  action: Action,
  options: CallOptions = {},
): Promise<Digest> {
  const code = canonicalBytes(action.code);
  const preimage = canonicalBytes(preimageOf(action));
  const key = digestOfBytes(preimage);
  await Promise.all([
    putContent(store.port, codeKey(digestOf(action.code)), code, digestOf(action.code), options),
    putContent(store.port, preimageKey(key), preimage, key, options),
  ]);
  return key;
}

/** The proven result of an action, or why the one that is recorded cannot be used; neither where none is recorded. */
export async function provenResult(
  store: ArtifactStore,
  key: Digest,
  options: CallOptions,
): Promise<{ result?: ActionResult; reason?: MissReason }> {
  let result: ActionResult | undefined;
  try {
    result = await readResult(store, key, options);
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    return {
      reason: { kind: 'damaged-record', against: key, changes: [{ path: 'result', after: error.message }] },
    };
  }
  if (!result) return {};
  if (result.key !== key)
    return {
      reason: { kind: 'damaged-record', against: key, changes: [{ path: 'result.key', after: result.key }] },
    };
  const outputs = Object.entries(result.outputs);
  const problems = await Promise.all(outputs.map(([, output]) => store.missing(output.digest, options)));
  const changes = outputs.flatMap(([name, output], i): Change[] => {
    const [problem] = problems[i] ?? [];
    return problem === undefined ? [] : [{ path: `outputs.${name}`, before: output.digest, after: problem }];
  });
  return changes.length === 0 ? { result } : { reason: { kind: 'missing-output', against: key, changes } };
}

/** Stores the action and makes it the step's latest; returns the different one that was before it, if any. */
async function rememberAction(
  store: ArtifactStore,
  key: Digest,
  action: Action,
  options: LookupOptions,
): Promise<{ key: Digest | undefined; again: boolean }> {
  const { step } = options;
  const object = stepKey(step);
  const now = await readSealed(store.port, object, StepPointer, options).catch(async (error: unknown) => {
    // A pointer only serves to explain, so a damaged one may go.
    if (!(error instanceof Corrupt)) throw error;
    await removeDamaged(store.port, object, options);
    return undefined;
  });
  if (now?.value.key === key) return { key: now.value.previous, again: true };
  await putAction(store, action, options);
  let old: StepPointer | undefined;
  const change = (pointer: StepPointer | undefined): StepPointer => {
    old = pointer;
    if (pointer?.key === key) return pointer;
    return { version: 1, step, key, ...(pointer && { previous: pointer.key }) };
  };
  await updateSealed(store.port, object, StepPointer, change, options);
  return old?.key === key ? { key: old.previous, again: true } : { key: old?.key, again: false };
}

async function explain(
  store: ArtifactStore,
  key: Digest,
  action: Action,
  before: { key: Digest | undefined; again: boolean },
  options: CallOptions,
): Promise<MissReason> {
  const nothing: MissReason = { kind: before.again ? 'unfinished' : 'new', changes: [] };
  if (before.key === undefined) return before.again ? { ...nothing, against: key } : nothing;
  try {
    return reasonBetween(before.key, await readAction(store, before.key, options), action);
  } catch (error) {
    if (error instanceof NotFound || error instanceof Corrupt) return nothing;
    throw error;
  }
}

const FIELDS = ['stage', 'specVersion', 'inputs', 'params', 'code', 'environment'] as const;

/** Every field in which an action differs from an earlier one; the first such field names the reason. */
function reasonBetween(earlier: Digest, before: Action, after: Action): MissReason {
  const changes = FIELDS.flatMap((field) => {
    const found = changesBetween(field, before[field], after[field]);
    return found.map((change) => ({ field, change }));
  });
  return {
    kind: changes[0]?.field ?? 'unfinished',
    against: earlier,
    changes: changes.map(({ change }) => change),
  };
}
