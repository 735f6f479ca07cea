import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createChat, expandImageTokens, promptIds } from '../../../activities/nn/chat.ts';
import { openProcessor } from '../../../activities/nn/checkpoint/processor.ts';
import { openSafetensors } from '../../../activities/nn/checkpoint/safetensors-file.ts';
import { nodeFolder } from '../../../activities/nn/runtime/files.ts';
import type { Message } from '../../../schemas/message.ts';
import { hasShared, shared } from '../../_shared.ts';

interface Case {
  name: string;
  messages: Message[];
  images: number[];
  chat: string;
  prompt_ids: number[];
}

describe.each(['qwen2_vl', 'qwen2_5_vl'])('the chat of %s', (family) => {
  const folder = nodeFolder(shared(`golden/${family}`));
  const cases = hasShared
    ? (JSON.parse(readFileSync(shared(`golden/${family}/expected.json`), 'utf8')) as { cases: Case[] }).cases
    : [];

  it.skipIf(!hasShared)(
    'renders as Python does, and expands each image token to its image’s embeddings',
    async () => {
      const processor = await openProcessor(folder);
      const expected = await openSafetensors(folder, 'expected.safetensors');
      for (const { messages, images, chat, prompt_ids } of cases) {
        expect(processor.render(messages, true)).toBe(chat);
        const grids = await Promise.all(
          images.map(async (i) => {
            const [t = 0, h = 0, w = 0] = Array.from(
              (await expected.readData(`image${i}.grid_thw`)) as BigInt64Array,
              Number,
            );
            return { t, h, w };
          }),
        );
        expect([...promptIds(processor, messages, grids)]).toEqual(prompt_ids);
      }
      await expected.close();
    },
  );
});

describe('a conversation', () => {
  const template =
    "{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}{% if c.type == 'image' %}<|image_pad|>{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
  const render = createChat(
    { tokenizerConfig: { chat_template: template, eos_token: { content: '</s>' } } },
    'here',
  );

  it('ends with the assistant’s header only when asked to', () => {
    const messages: Message[] = [{ role: 'user', content: 'Hi' }];
    expect(render(messages, true)).toBe('user: Hi</s>\nassistant: ');
    expect(render(messages, false)).toBe('user: Hi</s>\n');
  });

  it('may not hold image tokens in its text', () => {
    expect(() => render([{ role: 'user', content: 'see <|image_pad|>' }], true)).toThrow(
      'message 0: the text holds <|image_pad|>',
    );
    const parts: Message = { role: 'user', content: [{ type: 'text', text: '<|vision_start|>' }] };
    expect(() => render([parts], true)).toThrow('message 0: the text holds <|vision_start|>');
  });

  it('is refused by a template that drops its images', () => {
    const blind = createChat({ tokenizerConfig: { chat_template: '{{ messages[0].role }}' } }, 'here');
    expect(() => blind([{ role: 'user', content: [{ type: 'image' }] }], true)).toThrow(
      'here: the chat template renders 0 image tokens for 1 images',
    );
  });

  it('refers to as many images as are given', () => {
    expect(() => expandImageTokens([1, 9, 2], [], 9, 2)).toThrow('refers to 1 images, 0 are given');
    expect([
      ...expandImageTokens(
        [1, 9, 2, 9],
        [
          { t: 1, h: 2, w: 4 },
          { t: 1, h: 2, w: 2 },
        ],
        9,
        2,
      ),
    ]).toEqual([1, 9, 9, 2, 9]);
  });
});

describe('the chat template', () => {
  const messages: Message[] = [{ role: 'user', content: 'Hi' }];

  it('is read from chat_template.jinja before chat_template.json before tokenizer_config.json', () => {
    const tokenizerConfig = { chat_template: 'c' };
    expect(
      createChat({ jinja: 'a', json: { chat_template: 'b' }, tokenizerConfig }, 'm')(messages, true),
    ).toBe('a');
    expect(createChat({ json: { chat_template: 'b' }, tokenizerConfig }, 'm')(messages, true)).toBe('b');
    expect(createChat({ tokenizerConfig }, 'm')(messages, true)).toBe('c');
    const named = {
      chat_template: [
        { name: 'tool', template: 't' },
        { name: 'default', template: 'd' },
      ],
    };
    expect(createChat({ tokenizerConfig: named }, 'm')(messages, true)).toBe('d');
  });

  it('is missed by name', () => {
    expect(() => createChat({ tokenizerConfig: {} }, 'm')).toThrow('m: no chat template');
  });
});
