import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PipelineConfig, teacherRequest, withoutPath } from '../../schemas/config.ts';
import { presets } from '../../schemas/presets.ts';

const { demo } = presets;
const messages = (config: unknown): string[] =>
  (PipelineConfig.safeParse(config).error?.issues ?? []).map(
    (issue) => `${issue.path.join('.')} ${issue.message}`,
  );

describe('PipelineConfig', () => {
  it('names a key that it does not know', () => {
    expect(messages({ ...demo, compute: { ...demo.compute, threads: 2 } })).toEqual([
      'compute Unrecognized key: "threads"',
    ]);
  });

  it('refuses products in bfloat16 of weights in float32, and takes auto where nothing is said', () => {
    const compute = { ...demo.compute, arithmetic: 'bfloat16' };
    expect(messages({ ...demo, compute })).toEqual([
      'compute.arithmetic is bfloat16, but dtype is float32: make dtype bfloat16 too, or leave arithmetic at auto',
    ]);
    expect(messages({ ...demo, compute: { ...compute, dtype: 'bfloat16' } })).toEqual([]);
    const { arithmetic: _, ...before } = compute;
    expect(PipelineConfig.parse({ ...demo, compute: before }).compute.arithmetic).toBe('auto');
  });

  it('refuses a model whose widths do not fit together', () => {
    const base = { ...demo.base, headDim: 16, mropeSection: [4, 6, 6] };
    expect(messages({ ...demo, base })).toEqual([
      'base.headDim heads × headDim is 64, not hiddenSize 128',
      'base.mropeSection sums to 16, not headDim / 2 = 8',
    ]);
  });

  it('refuses the evaluation of what is not made or not there', () => {
    const gba = { ...demo.gba, enabled: false };
    expect(messages({ ...demo, gba })).toEqual(['evaluate.models names gba, but gba.enabled is false']);
    const evaluate = { ...demo.evaluate, benchmarks: ['pmc-vqa'] };
    expect(messages({ ...demo, evaluate })).toEqual([
      'evaluate.benchmarks names pmc-vqa, which sources.benchmarks does not have',
    ]);
  });

  it('refuses slerp, which merges RL with the mean of the experts, where there is no RL', () => {
    const merge = { ...demo.merge, final: { ...demo.merge.final, method: 'slerp' } };
    const evaluate = { ...demo.evaluate, models: ['final'] };
    expect(messages({ ...demo, merge, evaluate, gba: { ...demo.gba, enabled: false } })).toEqual([
      'merge.final.method slerp needs the RL vector, but gba.enabled is false',
    ]);
  });

  it.each(['sk-proj-0123456789', 'a key with spaces'])(
    'takes no key in place of the name of its variable: %s',
    (key) => {
      const teacher = { ...demo.synthesize.teacher, apiKeyEnv: key };
      const [message] = messages({ ...demo, synthesize: { ...demo.synthesize, teacher } });
      expect(message).toBe('synthesize.teacher.apiKeyEnv is the name of an environment variable, not a key');
      expect(message).not.toContain(key);
    },
  );

  it('takes no credentials in an address', () => {
    const teacher = { ...demo.synthesize.teacher, baseURL: 'https://me:secret@example.org/v1' };
    expect(messages({ ...demo, synthesize: { ...demo.synthesize, teacher } })).toHaveLength(1);
    teacher.baseURL = 'http://127.0.0.1:8080/v1';
    expect(messages({ ...demo, synthesize: { ...demo.synthesize, teacher } })).toEqual([]);
  });

  it('describes every value in its JSON Schema', () => {
    const bare: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const schema = node as Record<string, unknown>;
      for (const option of (schema['oneOf'] ?? schema['anyOf'] ?? []) as unknown[]) visit(option, path);
      const fields = (schema['properties'] ?? {}) as Record<string, Record<string, unknown>>;
      for (const [key, field] of Object.entries(fields)) {
        const below = `${path}.${key}`;
        const branches = field['properties'] ?? field['oneOf'] ?? field['const'];
        if (branches === undefined && field['description'] === undefined) bare.push(below);
        visit(field, below);
      }
    };
    visit(z.toJSONSchema(PipelineConfig, { io: 'input' }), '');
    expect(bare).toEqual(['.gba.rewards.accuracy', '.gba.rewards.structure', '.gba.rewards.adherence']);
  });
});

describe('what enters an action key', () => {
  it('of a teacher is what its answers depend on', () => {
    const teacher = { ...demo.synthesize.teacher, baseURL: 'http://127.0.0.1:1/v1' };
    expect(teacherRequest(teacher)).toEqual({ model: 'clinic-teacher', temperature: 0, maxTokens: 256 });
  });

  it('of a source is all but its place', () => {
    expect(withoutPath({ format: 'clinic', path: 'here', seed: 1 })).toEqual({ format: 'clinic', seed: 1 });
  });
});
