import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readBank } from '../../../activities/clinic/bank.ts';
import { drawCase, type ClinicCase } from '../../../activities/clinic/cases.ts';
import type { Pool } from '../../../activities/clinic/bank.ts';
import { createDraws } from '../../../activities/clinic/draws.ts';
import { randomKey } from '../../../activities/nn/random.ts';

export const bankFile = path.resolve(import.meta.dirname, '../../../infra/demo/bank.json');

/** The demo's bank as its file has it, to be changed by a test. */
export const bankJson = (): Record<string, unknown> & { conditions: Record<string, unknown>[] } =>
  JSON.parse(readFileSync(bankFile, 'utf8'));

export const bank = readBank(bankJson());

/** `count` cases of a pool. */
export const drawCases = (pool: Pool, image: boolean, count: number): ClinicCase[] =>
  Array.from({ length: count }, (_, i) =>
    drawCase(bank, pool, image, createDraws(randomKey(1, pool, image ? 1 : 0, i))),
  );
