#!/usr/bin/env -S GLIBC_TUNABLES=glibc.malloc.hugetlb=1 node
// Numbers lie in pages of 2 MB where the system has them on request: it is asked before the process starts.
// The sources are TypeScript: tsx loads them, on every Node this project runs on.
import { register } from 'tsx/esm/api';

register();
const { main } = await import('./main.ts');
await main(process.argv);
