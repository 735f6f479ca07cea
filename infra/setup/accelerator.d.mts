/** `cpu` or `cuda` as `MMEDEXPERT_ACCELERATOR` says; without it, `cuda` where an NVIDIA driver is found. */
export function accelerator(): 'cpu' | 'cuda';
