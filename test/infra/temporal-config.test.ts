import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadTemporalConfig,
  parseTemporalConfig,
  storeAddress,
  temporalAddress,
} from '../../infra/temporal-config.ts';
import own from '../../temporal.config.ts';

let folder = '';
let toml = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mmedexpert-temporal-'));
  toml = path.join(folder, 'temporal.toml');
  await writeFile(toml, '[profile.cloud]\naddress = "cloud.example:7233"\nnamespace = "research"\n');
});
afterAll(() => rm(folder, { recursive: true }));

describe('temporal.config.ts', () => {
  it("is the project's own where a folder has none", async () => {
    expect(await loadTemporalConfig(folder)).toEqual(own);
  });

  it('names each wrong key, with the nearest right one', () => {
    const wrong = { ...own, namespaze: 'x', store: { ...own.store, bucket: 'A' } };
    expect(() => parseTemporalConfig(wrong, 'temporal.config.ts')).toThrowError(
      /store\.bucket is no bucket name\n.*namespaze is not a known key; did you mean namespace\?/,
    );
  });

  it('takes no credentials in the address of the store', () => {
    const store = { ...own.store, endpoint: 'http://key:secret@127.0.0.1:7070' };
    expect(() => parseTemporalConfig({ ...own, store }, 'temporal.config.ts')).toThrowError(
      /without credentials/,
    );
  });
});

describe('temporalAddress', () => {
  it('names no server where nothing does', () => {
    const { address, namespace } = temporalAddress(own, {
      TEMPORAL_CONFIG_FILE: path.join(folder, 'none.toml'),
    });
    expect({ address, namespace }).toEqual({ address: undefined, namespace: 'default' });
  });

  it('takes the profile that the config names, and the environment before it', () => {
    const config = { ...own, connection: { profile: 'cloud' } };
    const env = { TEMPORAL_CONFIG_FILE: toml };
    expect(temporalAddress(config, env)).toMatchObject({
      address: 'cloud.example:7233',
      namespace: 'research',
    });
    const other = { ...env, TEMPORAL_ADDRESS: '127.0.0.1:7233', TEMPORAL_NAMESPACE: 'mine' };
    expect(temporalAddress(config, other)).toMatchObject({ address: '127.0.0.1:7233', namespace: 'mine' });
  });

  it('names a profile that is not there', () => {
    const config = { ...own, connection: { profile: 'clowd' } };
    expect(() => temporalAddress(config, { TEMPORAL_CONFIG_FILE: toml })).toThrowError(
      /connection\.profile cannot be loaded/,
    );
  });
});

describe('storeAddress', () => {
  it('takes the environment before the config', () => {
    expect(storeAddress(own, {})).toEqual({ bucket: 'mmedexpert', region: 'us-east-1' });
    const env = { S3_ENDPOINT: 'http://127.0.0.1:7070', S3_BUCKET: 'other', S3_REGION: 'eu-central-1' };
    expect(storeAddress(own, env)).toEqual({
      endpoint: env.S3_ENDPOINT,
      bucket: 'other',
      region: 'eu-central-1',
    });
  });
});
