import { useState } from 'preact/hooks';

const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** Where the reader's choice is kept. */
const KEY = 'ollana-theme';

/** The reader's choice; what the system says where there is none, or nothing can be kept. */
export function savedTheme(): Theme {
  try {
    return THEMES.find((one) => one === localStorage.getItem(KEY)) ?? 'auto';
  } catch {
    return 'auto';
  }
}

/** Charts, which are painted, hear of it by the event `ollana-theme`. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event('ollana-theme'));
}

/** Colours by the system, light or dark. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(savedTheme());
  const choose = (one: Theme) => {
    try {
      localStorage.setItem(KEY, one);
    } catch {
      // It lasts as long as the page then.
    }
    applyTheme(one);
    setTheme(one);
  };
  return (
    <label class="theme">
      <span>Colours</span>
      <select value={theme} onChange={({ currentTarget }) => choose(currentTarget.value as Theme)}>
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}
