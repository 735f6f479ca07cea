/** A teacher behind an OpenAI-compatible chat-completions address, by the official client. */
import { APIConnectionError, APIError, OpenAI } from 'openai';
import { z } from 'zod';
import { Teacher } from '../../schemas/config/synthesize.ts';
import type { TeacherAnswer, TeacherPort, TeacherRequest } from '../synthesize/teacher-port.ts';

/** How to reach the teacher: nothing of it enters an action key. */
const TeacherReach = z.strictObject({
  baseURL: Teacher.shape.baseURL,
  apiKeyEnv: Teacher.shape.apiKeyEnv.default('OPENAI_API_KEY'),
  maxInFlight: Teacher.shape.maxInFlight.default(8),
  retries: Teacher.shape.retries.default(5),
});

/** No key for the teacher. The message names the variable to set. */
export class NoTeacherKey extends Error {
  override name = 'NoTeacherKey' as const;
}

/** The teacher is down or too busy, and was after every retry: the step is worth another attempt later. */
export class TeacherUnavailable extends Error {
  override name = 'TeacherUnavailable' as const;
}

const isPassing = (error: unknown): boolean =>
  error instanceof APIConnectionError ||
  (error instanceof APIError &&
    ([408, 409, 429].includes(Number(error.status)) || Number(error.status) >= 500));

/** Longest wait for one answer. Reasoning models take minutes. */
const TIMEOUT_MS = 10 * 60_000;

const finishReasonOf = (
  reason: string,
  refusal: string | null | undefined,
): TeacherAnswer['finishReason'] => {
  if (reason === 'content_filter' || (refusal ?? '') !== '') return 'refusal';
  return reason === 'length' ? 'length' : 'stop';
};

async function complete(
  client: OpenAI,
  request: TeacherRequest,
  signal: AbortSignal,
): Promise<TeacherAnswer> {
  const images = request.images.map((url) => ({ type: 'image_url' as const, image_url: { url } }));
  const completion = await client.chat.completions.create(
    {
      model: request.model,
      messages: [
        { role: 'system', content: request.system },
        { role: 'user', content: [...images, { type: 'text', text: request.text }] },
      ],
      max_completion_tokens: request.maxTokens,
      ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    },
    { signal },
  );
  const choice = completion.choices[0];
  return {
    model: completion.model,
    text: choice?.message.content ?? '',
    finishReason: choice ? finishReasonOf(choice.finish_reason, choice.message.refusal) : 'error',
    promptTokens: completion.usage?.prompt_tokens ?? 0,
    completionTokens: completion.usage?.completion_tokens ?? 0,
  };
}

/**
 * Opens the teacher that settings name. The client retries 408, 409, 429, 5xx and lost connections with back-off and
 * honours `retry-after`. A request that is refused as bad in itself (400, 413, 422) becomes an answer with finish reason
 * `error`, since the rest of the cases can go on; a wrong key, address or model fails the step,
 * and {@link TeacherUnavailable} lets it be tried again later.
 * Throws {@link NoTeacherKey} when first asked without a key.
 */
export function openTeacher(settings: unknown, env: NodeJS.ProcessEnv = process.env): TeacherPort {
  const { baseURL, apiKeyEnv, maxInFlight, retries } = TeacherReach.parse(settings);
  let opened: OpenAI | undefined;
  const open = (): OpenAI => {
    const apiKey = env[apiKeyEnv];
    if (!apiKey)
      throw new NoTeacherKey(`no key for the teacher: set ${apiKeyEnv} in the environment of the worker`);
    return new OpenAI({
      apiKey,
      baseURL: baseURL ?? env['OPENAI_BASE_URL'] ?? null,
      maxRetries: retries,
      timeout: TIMEOUT_MS,
    });
  };
  return {
    maxInFlight,
    async ask(request, signal) {
      opened ??= open();
      try {
        return await complete(opened, request, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof APIError && [400, 413, 422].includes(Number(error.status)))
          return {
            model: request.model,
            text: '',
            finishReason: 'error',
            promptTokens: 0,
            completionTokens: 0,
          };
        if (isPassing(error))
          throw new TeacherUnavailable(
            `no answer from the teacher after ${retries + 1} tries: ${error instanceof Error ? error.message : String(error)}`,
            { cause: error },
          );
        throw error;
      }
    },
  };
}
