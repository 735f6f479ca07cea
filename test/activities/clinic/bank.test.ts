import { describe, expect, it } from 'vitest';
import { BadBank, conditionOf, readBank } from '../../../activities/clinic/bank.ts';
import { bank, bankJson } from './_bank.ts';

describe('the demo’s bank', () => {
  it('has twelve conditions a specialty, 24 general ones, 96 findings and eight signs', () => {
    const counts: Record<string, number> = {};
    for (const { pool } of bank.conditions) counts[pool] = (counts[pool] ?? 0) + 1;
    expect(counts).toEqual({ AM: 12, CAH: 12, BS: 12, CSI: 12, GEN: 24 });
    expect(bank.findings.shared).toHaveLength(16);
    expect(Object.values(bank.findings).flat()).toHaveLength(96);
    expect(bank.signs).toHaveLength(8);
  });

  it('lists seven findings a condition: three shared and four of its own specialty', () => {
    for (const { pool, findings, name } of bank.conditions) {
      const listed = Object.keys(findings);
      expect(listed, name).toHaveLength(7);
      if (pool === 'GEN') continue;
      expect(
        listed.filter((finding) => bank.findings.shared.includes(finding)),
        name,
      ).toHaveLength(3);
      expect(
        listed.filter((finding) => bank.findings[pool].includes(finding)),
        name,
      ).toHaveLength(4);
    }
  });

  it('uses every finding in some condition and in some general one, so that the base has seen each word', () => {
    const used = new Set(
      bank.conditions.filter(({ pool }) => pool === 'GEN').flatMap(({ findings }) => Object.keys(findings)),
    );
    expect(
      Object.values(bank.findings)
        .flat()
        .filter((finding) => !used.has(finding)),
    ).toEqual([]);
  });

  it('points most shared findings to conditions in every specialty, so that task vectors conflict', () => {
    const everywhere = bank.findings.shared.filter((finding) =>
      (['AM', 'CAH', 'BS', 'CSI'] as const).every((pool) =>
        bank.conditions.some((condition) => condition.pool === pool && finding in condition.findings),
      ),
    );
    expect(everywhere.length).toBeGreaterThanOrEqual(12);
  });
});

describe('reading a bank', () => {
  it('names the row and the finding that is not in the list of findings', () => {
    const json = bankJson();
    json.conditions[0]!['findings'] = { cugh: 'often' };
    expect(() => readBank(json)).toThrow(/pneumonia: the finding cugh is not among findings/);
  });

  it('refuses a band that does not exist and names the field', () => {
    const json = bankJson();
    json.conditions[0]!['findings'] = { cough: 'frequently' };
    expect(() => readBank(json)).toThrow(BadBank);
    expect(() => readBank(json)).toThrow(/conditions\[0\]\.findings\.cough/);
  });

  it('refuses a name that is used twice', () => {
    const json = bankJson();
    json.conditions[1]!['name'] = 'pneumonia';
    expect(() => readBank(json)).toThrow(/pneumonia is named twice/);
  });

  it('refuses names of more than one word, since each must be one token', () => {
    const json = bankJson();
    json.conditions[0]!['name'] = 'heart failure';
    expect(() => readBank(json)).toThrow(/one word/);
  });

  it('names a condition that it does not have', () => {
    expect(() => conditionOf(bank, 'hiccups')).toThrow(/no condition hiccups/);
  });
});
