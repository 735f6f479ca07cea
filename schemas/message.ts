import { z } from 'zod';

/** A chat message as chat templates and training rows hold it; image parts stand for `images` in order. */
export const MessagePart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('image') }),
]);
export const Message = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.union([z.string(), z.array(MessagePart)]),
});
export type Message = z.infer<typeof Message>;

/** Input of `model forward` and `model generate`: image paths are relative to the file that holds them. */
export const ModelInput = z.strictObject({
  messages: z.array(Message).min(1),
  images: z.array(z.string()).default([]),
});
export type ModelInput = z.infer<typeof ModelInput>;

/** One row of SFT data: the last message is the assistant's. `id` and `weight` are optional bookkeeping. */
export const SftRow = z.strictObject({
  id: z.string().optional(),
  messages: z.array(Message).min(2),
  images: z.array(z.string()).default([]),
});
export type SftRow = z.infer<typeof SftRow>;
