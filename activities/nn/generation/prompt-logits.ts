import type { Adapter } from '../checkpoint/adapter.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { fillModel, modelVariables } from '../models/model-variables.ts';
import type { ModelConfig } from '../models/config.ts';
import { Program } from '../runtime/program.ts';
import type { LoadImage } from '../training/image-embeds.ts';
import { yieldToEventLoop } from '../training/loop.ts';
import type { ImagedPrompt } from './answerer.ts';
import { promptInputs, recordPrompt } from './whole-prompt.ts';

/** One session that computes the logits of a few prompts under one set of weights after the other, all in float32. */
export interface PromptLogits extends Disposable {
  /**
   * Logits of every token of the prompts, one prompt after another, [T, V]; with the adapter's low-rank path where asked.
   * Throws `signal.reason` between prompts once it is aborted.
   */
  under(weights: Checkpoint, path?: 'weights alone' | 'with adapter'): Promise<Float32Array>;
}

export const openPromptLogits = async (
  config: ModelConfig,
  adapter: Adapter | undefined,
  prompts: readonly ImagedPrompt[],
  loadImage: LoadImage,
  signal: AbortSignal,
): Promise<PromptLogits> => {
  const program = new Program();
  for (const [i, prompt] of prompts.entries()) {
    program.entry(`alone/${i}`, (t) => ({
      outputs: recordPrompt(t, modelVariables(t, config, undefined), config, prompt),
    }));
    if (adapter !== undefined)
      program.entry(`adapted/${i}`, (t) => ({
        outputs: recordPrompt(t, modelVariables(t, config, adapter), config, prompt),
      }));
  }
  const session = await program.load();
  return {
    async under(weights, path = 'weights alone') {
      const adapted = path === 'with adapter';
      await fillModel(session, weights, adapted ? adapter : undefined);
      const all = new Float32Array(
        prompts.reduce((sum, { tokens }) => sum + tokens.length, 0) * config.text.vocabSize,
      );
      let at = 0;
      for (const [i, prompt] of prompts.entries()) {
        // A pass blocks the thread: signals get their turn between two.
        await yieldToEventLoop();
        signal.throwIfAborted();
        const feeds = await promptInputs(config, prompt, loadImage);
        const { logits } = session.run(`${adapted ? 'adapted' : 'alone'}/${i}`, feeds);
        all.set(logits!, at);
        at += logits!.length;
      }
      return all;
    },
    [Symbol.dispose]: () => session.dispose(),
  };
};
