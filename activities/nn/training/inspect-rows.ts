/** What a training row looks like to the model, for people who look at their data. */
import type { SftRow } from '../../../schemas/message.ts';
import type { ChatModel } from '../chat.ts';
import type { ModelConfig } from '../models/config.ts';
import { embeddingsOf } from '../models/position-ids.ts';
import type { Grid } from '../models/position-ids.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { encodeRow, RowError } from './chat-rows.ts';

/** An image as the file has it, and as the model takes it. */
export interface InspectedImage {
  readonly path: string;
  readonly width: number;
  readonly height: number;
  /** Patches. */
  readonly grid: Grid;
}

export interface InspectedToken {
  readonly id: number;
  /** Of this token alone; parts of a character are U+FFFD. */
  readonly text: string;
  /** Whether the loss asks for it. */
  readonly label: boolean;
}

export interface InspectedRow {
  readonly id: string;
  readonly tokens: readonly InspectedToken[];
  readonly labels: number;
  readonly images: readonly (InspectedImage & { readonly tokens: number })[];
}

/** Text of single tokens, special ones by their names. */
const tokenText = (tokenizer: Tokenizer): ((id: number) => string) => {
  const special = new Map([...tokenizer.special].map(([name, id]) => [id, name]));
  return (id) => special.get(id) ?? tokenizer.decode([id]);
};

/** Encodes one row as training does; `images` are the row's, in order. Errors name the row. */
export const inspectRow = (
  chat: ChatModel,
  config: ModelConfig,
  row: SftRow,
  id: string,
  images: readonly InspectedImage[],
): InspectedRow => {
  const { ids, targets } = encodeNamed(chat, config, row, id, images);
  const text = tokenText(chat.tokenizer);
  const labels = new Set(Array.from(targets, (place) => place + 1));
  return {
    id,
    tokens: Array.from(ids, (token, i) => ({ id: token, text: text(token), label: labels.has(i) })),
    labels: targets.length,
    images: images.map((image) => ({ ...image, tokens: embeddingsOf(image.grid, chat.mergeSize) })),
  };
};

const encodeNamed = (
  chat: ChatModel,
  config: ModelConfig,
  row: SftRow,
  id: string,
  images: readonly InspectedImage[],
): ReturnType<typeof encodeRow> => {
  try {
    return encodeRow(
      chat,
      config,
      row,
      id,
      images.map(({ grid }) => grid),
    );
  } catch (error) {
    if (error instanceof RowError) throw error;
    throw new RowError(`row ${id}: ${(error as Error).message}`, { cause: error });
  }
};

/** A file's rows in total. */
export interface RowsSummary {
  readonly rows: number;
  /** Tokens of a row: the shortest, the longest, and those that half, nine tenths and 99 % of the rows do not exceed. */
  readonly length: {
    readonly min: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly tokens: number;
  /** Share of the tokens that are labels. */
  readonly labelShare: number;
  readonly images: number;
  readonly imageTokens: number;
  /** Rows of more than `maxTokens`, which training drops or refuses. */
  readonly overlong: number;
}

/** The least of the ascending numbers that a share of them does not exceed. */
const percentile = (ascending: readonly number[], share: number): number =>
  ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? 0;

export const summarizeRows = (
  rows: readonly {
    readonly tokens: number;
    readonly labels: number;
    readonly images: number;
    readonly imageTokens: number;
  }[],
  maxTokens: number,
): RowsSummary => {
  const lengths = rows.map((row) => row.tokens).sort((a, b) => a - b);
  const sum = (of: (row: (typeof rows)[number]) => number): number =>
    rows.reduce((total, row) => total + of(row), 0);
  const tokens = sum((row) => row.tokens);
  return {
    rows: rows.length,
    length: {
      min: lengths[0] ?? 0,
      p50: percentile(lengths, 0.5),
      p90: percentile(lengths, 0.9),
      p99: percentile(lengths, 0.99),
      max: lengths.at(-1) ?? 0,
    },
    tokens,
    labelShare: tokens === 0 ? 0 : sum((row) => row.labels) / tokens,
    images: sum((row) => row.images),
    imageTokens: sum((row) => row.imageTokens),
    overlong: rows.filter((row) => row.tokens > maxTokens).length,
  };
};
