import type { Digest } from '../schemas/digest.ts';
import { Ref, RefName } from '../schemas/ref.ts';
import { UnknownName } from './errors.ts';
import { digestInKey, manifestPrefix, refKey } from './keys.ts';
import type { CallOptions, ObjectPort } from './object-port.ts';
import { readSealed } from './sealed.ts';

const SHOWN = 8;

/** Digest of the artifact that a digest, a unique prefix of one, or a ref stands for. */
export async function resolveName(port: ObjectPort, name: string, options: CallOptions): Promise<Digest> {
  const hex = /^(?:sha256:)?([0-9a-f]{6,64})$/.exec(name)?.[1];
  if (hex !== undefined) return resolvePrefix(port, hex, options);
  if (name.startsWith('sha256:'))
    throw new UnknownName(
      `${JSON.stringify(name)} is no digest: "sha256:" takes 6 to 64 lower-case hex digits`,
    );
  if (RefName.safeParse(name).success) {
    const ref = await readSealed(port, refKey(name), Ref, options);
    if (ref) return ref.value.target.digest;
  }
  throw new UnknownName(
    `no artifact goes by ${JSON.stringify(name)}: give a digest, 6 or more digits of one, or a ref`,
  );
}

async function resolvePrefix(port: ObjectPort, hex: string, options: CallOptions): Promise<Digest> {
  const found: Digest[] = [];
  for await (const { key } of port.list(manifestPrefix(hex), options)) {
    const digest = digestInKey('manifests', key);
    if (digest) found.push(digest);
    if (found.length > SHOWN) break;
  }
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (only === undefined) throw new UnknownName(`no artifact's digest starts with ${hex}`);
  const shown = `${found.slice(0, SHOWN).join(', ')}${found.length > SHOWN ? ', …' : ''}`;
  throw new UnknownName(`${hex} is ambiguous: ${shown}`);
}
