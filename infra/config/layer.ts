import { readFile } from 'node:fs/promises';
import { parse, YAMLParseError } from 'yaml';
import { ConfigError } from './config-error.ts';

/** Values from one place, to be laid over those before it. */
export interface Layer {
  /** As messages and `--sources` name it: `preset demo`, a file, `variant grpo`, `--set`. */
  readonly from: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const plainObject = (value: unknown, from: string): Record<string, unknown> => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ConfigError([{ from, path: '', message: 'holds no mapping of keys to values' }]);
};

const cause = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Reads a config file, YAML or JSON. Throws `ConfigError` where it cannot be read or parsed. */
export const readLayer = async (file: string): Promise<Layer> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError([{ from: file, path: '', message: `cannot be read: ${cause(error)}` }]);
  }
  try {
    return { from: file, values: plainObject(parse(text) ?? {}, file) };
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new ConfigError([{ from: file, path: '', message: error.message.trim() }]);
  }
};

/** Reads one `--set KEY=VALUE`; the value is YAML, so `0.1`, `true`, `[a, b]` and `text` all are what they look like. */
export const parseSetting = (text: string): { path: string[]; value: unknown } => {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new ConfigError([
      { from: '--set', path: text, message: 'is not KEY=VALUE, such as sft.AM.learningRate=1e-4' },
    ]);
  }
  const path = text.slice(0, at).trim();
  try {
    return { path: path.split('.'), value: parse(text.slice(at + 1)) as unknown };
  } catch (error) {
    throw new ConfigError([
      { from: '--set', path, message: `has a value that is not YAML: ${cause(error)}` },
    ]);
  }
};
