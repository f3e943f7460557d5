/** As many conversations as llama-server's 8 GiB of parked slots hold of ordinary size. */
const MAX_PROMPTS = 8;
/** Characters kept of each prompt; longer ones match only up to here. */
const MAX_CHARACTERS = 1 << 20;

/** Remembers what a loaded model has already read, so that the same beginning need not be read again. */
export class PrefixCache {
  readonly #prompts: string[] = [];

  /** Characters at the beginning of `prompt` that some earlier prompt or its answer had too. */
  match(prompt: string): number {
    return this.#prompts.reduce((best, known) => Math.max(best, commonPrefix(known, prompt, best)), 0);
  }

  /** Notes a prompt with the answer it got; what it extends is replaced. */
  remember(text: string): void {
    const kept = text.slice(0, MAX_CHARACTERS);
    const same = this.#prompts.findIndex((known) => kept.startsWith(known));
    if (same >= 0) this.#prompts.splice(same, 1);
    this.#prompts.push(kept);
    if (this.#prompts.length > MAX_PROMPTS) this.#prompts.shift();
  }
}

/** Length of the common prefix of two texts, by bisection; less than `atLeast` is reported as 0. */
function commonPrefix(a: string, b: string, atLeast = 0): number {
  if (a.slice(0, atLeast) !== b.slice(0, atLeast)) return 0;
  let low = Math.min(atLeast, a.length, b.length);
  let high = Math.min(a.length, b.length);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (a.slice(low, middle) === b.slice(low, middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
