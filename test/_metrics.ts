type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A scrape, read as Prometheus reads it. */
export interface Samples {
  readonly text: string;
  /** How many samples. */
  readonly size: number;
  readonly names: ReadonlySet<string>;
  /** The one sample with exactly these labels; undefined where there is none. */
  value(name: string, labels: object): number | undefined;
  /** All samples with at least these labels. */
  sum(name: string, labels: object): number;
  /** Every value of a label. */
  labels(name: string): ReadonlySet<string>;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"/g;

/** Reads the text format; throws for a line that is none of it. */
export function samplesOf(text: string): Samples {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', inside = '', value] = LINE.exec(line) ?? [];
    if (value === undefined) throw new Error(`no sample: ${line}`);
    const labels = [...inside.matchAll(LABEL)].map(([, key = '', raw = '']) => [key, unescaped(raw)]);
    samples.push({ name, labels: Object.fromEntries(labels), value: Number(value) });
  }
  const having = (name: string, labels: object) =>
    samples.filter(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
  return {
    text,
    size: samples.length,
    names: new Set(samples.map(({ name }) => name)),
    value: (name, labels) =>
      having(name, labels).find((one) => Object.keys(one.labels).length === Object.keys(labels).length)
        ?.value,
    sum: (name, labels) => having(name, labels).reduce((sum, { value }) => sum + value, 0),
    labels: (name) => new Set(samples.flatMap(({ labels }) => labels[name] ?? [])),
  };
}

function unescaped(text: string): string {
  return text.replace(/\\([\\"n])/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

/** What a daemon's `/metrics` says now. */
export async function scrape(url: string): Promise<Samples> {
  const response = await fetch(`${url}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  return samplesOf(await response.text());
}
