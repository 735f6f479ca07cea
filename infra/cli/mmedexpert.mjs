#!/usr/bin/env node
// The sources are TypeScript: tsx loads them, on every Node this project runs on.
import { register } from 'tsx/esm/api';

register();
const { main } = await import('./main.ts');
await main(process.argv);
