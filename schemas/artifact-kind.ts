import { z } from 'zod';

/** What an artifact is; its media type is `application/vnd.mmedexpert.<kind>.v1`. */
export const ArtifactKind = z.enum([
  'source', // files as the user has them
  'cases', // cases.jsonl, images/
  'traces', // traces.jsonl
  'decisions', // decisions.jsonl
  'sft-data', // train.jsonl, validation.jsonl, images/
  'checkpoint', // a Hugging Face model folder
  'adapter', // a PEFT adapter folder
  'vector', // a float32 task vector: vector.safetensors
  'rollouts', // rollouts.jsonl
  'predictions', // predictions.jsonl
  'report', // report.json
  'training-state', // a resumable training checkpoint
]);
export type ArtifactKind = z.infer<typeof ArtifactKind>;

export const mediaTypeOf = (kind: ArtifactKind): string => `application/vnd.mmedexpert.${kind}.v1`;
