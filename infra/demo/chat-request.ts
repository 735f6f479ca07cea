/** What the scripted teacher understands of a chat-completions request: a paradigm, a clinic case, a drawing. */
import { z } from 'zod';
import { conditionOf, type Bank } from '../../activities/clinic/bank.ts';
import { parseQuestion } from '../../activities/clinic/case-text.ts';
import type { Evidence } from '../../activities/clinic/posterior.ts';
import { Paradigm } from '../../schemas/paradigm.ts';

const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
]);
const ChatMessage = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(Part)]),
});

/** The part of a chat-completions request that this teacher looks at. */
export const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(ChatMessage).min(1),
  stream: z.boolean().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

/** A request that this teacher cannot answer; the message says why. */
export class NotUnderstood extends Error {
  override name = 'NotUnderstood' as const;
}

export interface Understood {
  readonly paradigm: Paradigm;
  readonly question: Omit<Evidence, 'sign'>;
  /** Bytes of the case's drawing. */
  readonly drawing: Buffer | null;
}

/** Words of a guideline that tell its paradigm. */
const TELLING: Record<Paradigm, RegExp> = {
  differential: /\bdifferential\b/i,
  intuitive: /\bintuitive/i,
  analytical: /\banalytical/i,
  bayesian: /\bbayes/i,
};

function paradigmIn(guideline: string): Paradigm {
  const found = Paradigm.options.filter((paradigm) => TELLING[paradigm].test(guideline));
  const [paradigm] = found;
  if (paradigm === undefined || found.length > 1)
    throw new NotUnderstood(`the system message names ${found.join(' and ') || 'no paradigm'}, not one`);
  return paradigm;
}

function drawingIn(url: string): Buffer {
  const encoded = /^data:image\/png;base64,(.+)$/s.exec(url)?.[1];
  if (encoded === undefined) throw new NotUnderstood('an image is not a PNG in a data URL');
  return Buffer.from(encoded, 'base64');
}

/** Reads a request. Throws {@link NotUnderstood}, or what the bank says of the case's words. */
export function understand(bank: Bank, { messages }: ChatRequest): Understood {
  const parts = (role: string) =>
    messages
      .filter((message) => message.role === role)
      .flatMap(({ content }) =>
        typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content,
      );
  const textOf = (role: string): string =>
    parts(role)
      .map((part) => (part.type === 'text' ? part.text : ''))
      .join('');
  const images = parts('user').flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : []));
  if (images.length > 1) throw new NotUnderstood(`${images.length} images, at most one is understood`);
  const [question, ...options] = textOf('user')
    .split('\n')
    .filter((line) => line.trim() !== '');
  if (question === undefined || options.length < 2) throw new NotUnderstood('no question with options');
  return {
    paradigm: paradigmIn(textOf('system')),
    question: {
      findings: parseQuestion(bank, question).findings,
      options: options.map((line) => conditionOf(bank, line.replace(/^[A-Z]\. /, '')).name),
    },
    drawing: images[0] === undefined ? null : drawingIn(images[0]),
  };
}
