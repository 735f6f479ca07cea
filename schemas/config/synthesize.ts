import { z } from 'zod';
import { count } from './fields.ts';

/** A model behind an OpenAI-compatible chat-completions address. */
export const Teacher = z.strictObject({
  model: z.string().min(1).describe('Model name sent with each request'),
  temperature: z.number().min(0).max(2).optional().describe("Absent: not sent, the endpoint's own default"),
  maxTokens: count.describe('Longest answer, in tokens'),
  baseURL: z
    .string()
    .regex(/^https?:\/\/[^\s@]+$/, 'is an http or https address without credentials')
    .optional()
    .describe("Address of the endpoint. Absent: OPENAI_BASE_URL, else OpenAI's own. Not part of any key"),
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is the name of an environment variable, not a key')
    .describe('Name of the environment variable that holds the key. Not part of any key'),
  maxInFlight: count.describe('Requests under way at once, in each worker. Not part of any key'),
  retries: z
    .int()
    .min(0)
    .describe('Tries after the first, with back-off, on 429, 5xx and lost connections. Not part of any key'),
});
export type Teacher = z.infer<typeof Teacher>;

/** Case to reasoning traces by a teacher that never sees the gold answer. */
export const Synthesize = z.strictObject({
  paradigms: z
    .enum(['rotate', 'all'])
    .describe('rotate: one paradigm a case, in turn; all: four traces a case'),
  shards: count
    .max(256)
    .describe("Parts the cases are split into, by their ids' hash; one changed case asks one shard again"),
  teacher: Teacher,
});
