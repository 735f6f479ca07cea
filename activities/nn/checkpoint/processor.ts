import { createChat, type ChatModel } from '../chat.ts';
import { parseImageSettings, type ImageSettings } from '../images/settings.ts';
import { createTokenizer } from '../tokenizer.ts';
import { readJson, type ReadFolder } from './files.ts';

/** What stands between people's words and pictures and a model's numbers. */
export interface Processor extends ChatModel {
  readonly images: ImageSettings;
}

/** Reads a model folder's tokenizer, chat template and image settings; `maxPixels` caps the images further. */
export const openProcessor = async (folder: ReadFolder, maxPixels?: number): Promise<Processor> => {
  const names = await folder.list();
  const json = async (name: string): Promise<unknown> =>
    names.includes(name) ? readJson(folder, name) : undefined;
  const tokenizerConfig = await json('tokenizer_config.json');
  const files = {
    jinja: names.includes('chat_template.jinja') ? await folder.readText('chat_template.jinja') : undefined,
    json: await json('chat_template.json'),
    tokenizerConfig,
  };
  const images = parseImageSettings(
    await json('preprocessor_config.json'),
    `${folder.path}/preprocessor_config.json`,
    maxPixels,
  );
  return {
    tokenizer: createTokenizer(await json('tokenizer.json'), tokenizerConfig, folder.path),
    render: createChat(files, folder.path),
    images,
    mergeSize: images.mergeSize,
  };
};
