import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { actionKey, codeDigest, withoutDefaults } from '../../artifacts/action-key.ts';
import { canonicalBytes, digestOf } from '../../artifacts/canonical.ts';
import { Corrupt } from '../../artifacts/errors.ts';
import { parseCanonical } from '../../artifacts/json.ts';
import {
  artifactEntryKey,
  checkpointKey,
  edgeKey,
  preimageKey,
  refKey,
  resultKey,
  runKey,
  STORE_KEY,
  stepKey,
} from '../../artifacts/keys.ts';
import { sealedBytes, unseal } from '../../artifacts/sealed.ts';
import { Action, ActionPreimage } from '../../schemas/action.ts';
import { ActionResult } from '../../schemas/action-result.ts';
import { CheckpointRecord } from '../../schemas/checkpoint-record.ts';
import { ArtifactEntry, EdgeEntry } from '../../schemas/index-entry.ts';
import { Ref } from '../../schemas/ref.ts';
import { RunRecord } from '../../schemas/run-record.ts';
import { StepPointer } from '../../schemas/step-pointer.ts';
import { StoreRecord } from '../../schemas/store-record.ts';
import { z } from 'zod';

interface Stored {
  readonly object: string;
  readonly bytes: string;
}

/** Objects of format 1 as another implementation (Python's json and hashlib) writes them. */
const golden = JSON.parse(readFileSync(path.join(import.meta.dirname, 'golden/format-v1.json'), 'utf8')) as {
  action: Action;
  codeDigest: string;
  key: string;
  preimage: Stored;
  sealed: Record<'result' | 'run' | 'ref' | 'checkpoint' | 'store' | 'pointer' | 'edge' | 'entry', Stored>;
};

const read = <T extends object>(
  { object, bytes }: Stored,
  schema: z.ZodType<T>,
  key: (value: T) => string,
): void => {
  const value = unseal(object, Buffer.from(bytes), schema);
  expect(key(value)).toBe(object);
  expect(sealedBytes(object, value).toString()).toBe(bytes);
};

describe('format 1', () => {
  it('gives an action the key another implementation gives it', () => {
    const action = Action.parse(golden.action);
    expect(codeDigest(action.code)).toBe(golden.codeDigest);
    expect(actionKey(action)).toBe(golden.key);
    expect(preimageKey(golden.key)).toBe(golden.preimage.object);
    const preimage = parseCanonical(
      golden.preimage.object,
      Buffer.from(golden.preimage.bytes),
      ActionPreimage,
    );
    expect(digestOf(preimage)).toBe(golden.key);
  });

  it('reads every record, at the key it belongs to, and writes the same bytes', () => {
    const { result, run, ref, checkpoint, store, pointer, edge, entry } = golden.sealed;
    read(result, ActionResult, (r) => resultKey(r.key));
    read(run, RunRecord, (r) => runKey(r.runId));
    read(ref, Ref, (r) => refKey(r.name));
    read(checkpoint, CheckpointRecord, (r) => checkpointKey(r.key, r.step));
    read(store, StoreRecord, () => STORE_KEY);
    read(pointer, StepPointer, (p) => stepKey(p.step));
    read(edge, EdgeEntry, (e) => edgeKey('made-by', e.artifact, e.key, e.name));
    read(entry, ArtifactEntry, (e) => artifactEntryKey('adapter', e.artifact.digest));
  });

  it('refuses every single flipped bit of a record, and a record under another key', () => {
    const { object, bytes } = golden.sealed.result;
    const original = Buffer.from(bytes);
    for (let bit = 0; bit < original.length * 8; bit++) {
      const damaged = Buffer.from(original);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => unseal(object, damaged, ActionResult)).toThrow(Corrupt);
    }
    expect(() => unseal(object.replace('result', 'other'), original, ActionResult)).toThrow(
      'does not match its seal',
    );
  });

  it.each([
    ['white space', '{"a": 1}'],
    ['another order', '{"b":1,"a":1}'],
    ['a key twice', '{"a":1,"a":1}'],
    ['other spellings of numbers', '{"a":1.0}'],
    ['nothing', ''],
    ['half of it', '{"a":'],
    ['deep nesting', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('refuses JSON with %s', (_, text) => {
    expect(() => parseCanonical('x', Buffer.from(text), z.unknown())).toThrow(Corrupt);
  });

  it('writes canonical JSON as RFC 8785 does', () => {
    // RFC 8785, section 3.2.2 and 3.2.3.
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalBytes(value).toString()).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    expect(() => canonicalBytes({ a: Number.NaN })).toThrow();
  });
});

describe('parameters of a key', () => {
  const schema = z.strictObject({
    rate: z.number().default(0.1),
    model: z.string(),
    loss: z.strictObject({ clip: z.number().default(0.2), kl: z.number().default(0) }).prefault({}),
  });

  it('leave out what equals its default, at any depth', () => {
    expect(withoutDefaults(schema, { model: 'm', rate: 0.1, loss: { clip: 0.2, kl: 1 } })).toEqual({
      model: 'm',
      loss: { kl: 1 },
    });
    expect(withoutDefaults(schema, { model: 'm' })).toEqual({ model: 'm' });
    expect(withoutDefaults(schema, { model: 'm', rate: 0.2 })).toEqual({ model: 'm', rate: 0.2 });
  });

  it('stay the same when a parameter with a default is added', () => {
    const params = { model: 'm', loss: { kl: 1 } };
    expect(withoutDefaults(schema.extend({ added: z.boolean().default(false) }), params)).toEqual(
      withoutDefaults(schema, params),
    );
  });
});
