import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

export interface ChartProps {
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  /** Ms since 1970, rising. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** A number as its axis writes it. */
  readonly write: (value: number) => string;
  /** One bar's width, ms. */
  readonly stepMs: number;
  /** Its values are counts: nothing lies between two of them. */
  readonly whole: boolean;
}

const HEIGHT = 190;
/** Steps of an axis of counts. */
const WHOLE = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((one) => one * 10 ** power)).flat();

/** Bars over time. */
export function Chart({ label, times, values, write, stepMs, whole }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const draw = () => {
      const plot = new uPlot(
        optionsOf(element, { write, stepMs, whole }),
        [times.map((ms) => ms / 1000), [...values]],
        element,
      );
      return () => plot.destroy();
    };
    let drawn = draw();
    const again = () => {
      drawn();
      drawn = draw();
    };
    let width = element.clientWidth;
    const resized = new ResizeObserver(() => {
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      again();
    });
    resized.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', again);
    addEventListener('ollana-theme', again);
    return () => {
      resized.disconnect();
      scheme.removeEventListener('change', again);
      removeEventListener('ollana-theme', again);
      drawn();
    };
  }, [times, values, write, stepMs, whole]);
  return <div class="chart" role="img" aria-label={label} ref={place} />;
}

function optionsOf(
  element: HTMLElement,
  { write, stepMs, whole }: Pick<ChartProps, 'write' | 'stepMs' | 'whole'>,
): uPlot.Options {
  // A canvas knows no variables, and takes no light-dark(): an element's own colours are resolved.
  const style = getComputedStyle(element);
  const axis = {
    stroke: style.color,
    grid: { stroke: style.borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 60] });
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 8, 0, 0],
    scales: {
      x: { time: true, range: (_plot, low, high) => [low - stepMs / 1000, high + stepMs / 1000] },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      axis,
      { ...axis, size: 64, values: (_plot, splits) => splits.map(write), ...(whole && { incrs: WHOLE }) },
    ],
    series: [
      {},
      { fill: style.outlineColor, width: 0, ...(bars && { paths: bars }), points: { show: false } },
    ],
  };
}

/** A small line without axes. */
export function Spark({ label, values }: { readonly label: string; readonly values: readonly number[] }) {
  const top = Math.max(1, ...values);
  const points = values.map(
    (value, at) => `${(at * 100) / Math.max(1, values.length - 1)},${22 - (20 * value) / top}`,
  );
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      <polyline points={points.join(' ')} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
