import type { Reference } from '../schemas/reference.ts';
import { Ref } from '../schemas/ref.ts';
import { refKey, refPrefix } from './keys.ts';
import type { CallOptions } from './object-port.ts';
import { readSealed, updateSealed } from './sealed.ts';
import type { ArtifactStore } from './store.ts';

/** Points a name (`run/<id>/<step>`, a tag) at an artifact, whatever it pointed at before. */
export async function putRef(
  store: ArtifactStore,
  name: string,
  target: Reference,
  options: CallOptions = {},
): Promise<void> {
  const next: Ref = { version: 1, name, target };
  const change = (old: Ref | undefined): Ref => (old?.target.digest === target.digest ? old : next);
  await updateSealed(store.port, refKey(name), Ref, change, options);
}

/** What a name points at; undefined where it is none. */
export async function readRef(
  store: ArtifactStore,
  name: string,
  options: CallOptions = {},
): Promise<Reference | undefined> {
  return (await readSealed(store.port, refKey(name), Ref, options))?.value.target;
}

/** The refs whose name starts with `prefix`, by name. */
export async function listRefs(
  store: ArtifactStore,
  prefix: string,
  options: CallOptions = {},
): Promise<Ref[]> {
  const found: Ref[] = [];
  for await (const object of store.port.list(`${refPrefix()}${prefix}`, options)) {
    const record = await readSealed(store.port, object.key, Ref, options);
    if (record) found.push(record.value);
  }
  return found;
}
