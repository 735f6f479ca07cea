/** Rows of the clinic's corpus as token ids and patches. */
import type { Bank } from '../clinic/bank.ts';
import { corpusRow, MOST_IMAGES } from '../clinic/corpus.ts';
import { rememberWords, renderClinicChat } from '../clinic/tokenizer.ts';
import type { ChatModel } from '../nn/chat.ts';
import { imagePatches } from '../nn/images/patches.ts';
import type { ImageSettings } from '../nn/images/settings.ts';
import type { ModelConfig } from '../nn/models/config.ts';
import { encodeRow } from '../nn/training/chat-rows.ts';
import type { PretrainRow } from './train.ts';

/** No row of the corpus is longer, in tokens, with room to spare. */
export const LONGEST_ROW = 112;

export const IMAGES_PER_ROW = MOST_IMAGES;

export interface CorpusModel extends ChatModel {
  readonly images: ImageSettings;
  readonly config: ModelConfig;
}

/** A function from a step to its rows, which depend on the seed and their numbers only. */
export function corpusRows(bank: Bank, model: CorpusModel, seed: number, batchSize: number) {
  const chat: ChatModel = {
    render: renderClinicChat,
    tokenizer: rememberWords(model.tokenizer),
    mergeSize: model.mergeSize,
  };
  const row = (index: number): PretrainRow => {
    const { messages, images } = corpusRow(bank, seed, index);
    const patches = images.map((image) => imagePatches(image, model.images));
    const grids = patches.map(({ grid }) => grid);
    const encoded = encodeRow(
      chat,
      model.config,
      { messages: [...messages], images: images.map(() => '') },
      `${index}`,
      grids,
    );
    return { ...encoded, pixels: patches.map(({ pixelValues }) => pixelValues) };
  };
  return (step: number): PretrainRow[] =>
    Array.from({ length: batchSize }, (_, i) => row(step * batchSize + i));
}
