import { lookup } from '../../artifacts/actions.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { Digest } from '../../schemas/digest.ts';
import type { Lookup, StepSpec } from '../../schemas/step.ts';
import { actionOf } from './action-of.ts';

/** Keys a step and asks the store for its result: canonicalise, hash, prove. Nothing is computed. */
export async function lookupStep(store: ArtifactStore, probes: string, spec: StepSpec): Promise<Lookup> {
  const { stage, action } = await actionOf(spec, probes);
  const found = await lookup(store, action, { step: spec.step });
  return found.verdict === 'hit'
    ? {
        verdict: 'hit',
        key: found.key,
        outputs: found.result.outputs,
        summary: { ...found.result.summary },
      }
    : { verdict: 'miss', key: found.key, reason: found.reason, queue: stage.resources };
}

/** Sets a damaged artifact's bad objects aside, so that its producer misses and publishes them anew. */
export async function quarantineArtifact(store: ArtifactStore, digest: Digest): Promise<string[]> {
  return store.quarantine(digest);
}
