/** In every file that is written, so that nobody else's is taken for ours. */
export const MARK = 'Written by `ollana service install`';
