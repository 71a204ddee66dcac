/** Texts of the interface. The English text is its own key; the other languages are catalogues of it.
 *
 * The language is settled before the rest of the application is loaded (see main.tsx), so that `t` may be called
 * anywhere, at the top of a module too. Choosing another language loads the page again.
 */

import i18next from 'i18next';
import english from './languages/en.json';

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;
const CHOSEN = 'touchstone:language';

const texts = i18next.createInstance();
void texts.init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: english } },
  keySeparator: false,
  nsSeparator: false,
  // React escapes.
  interpolation: { escapeValue: false },
  initAsync: false,
});

/** The text in the reader's language. `{{name}}` takes a value, or stays for an element to go there (see Filled); with
 * `count` the right plural is chosen. */
export function t(text: string, values: Record<string, string | number> = {}): string {
  const { count } = values;
  // The plural goes by the number; it is written with the thousands set apart.
  const written = typeof count === 'number' ? { ...values, count: count.toLocaleString(texts.language) } : values;
  return texts.t(text, { ...values, replace: written });
}

/** The language that the texts are in, for numbers and dates to be in it too. */
export const locale = (): string => texts.language;

/** What the reader chose, else the first language of their browser that we have. */
export function language(): Language {
  const wanted = [localStorage.getItem(CHOSEN) ?? '', ...navigator.languages].map((tag) => tag.split('-')[0] ?? '');
  return wanted.find((tag): tag is Language => tag in LANGUAGES) ?? 'en';
}

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(CHOSEN, chosen);
  window.location.reload();
}

/** Have the reader's language ready. Without its catalogue (a bad line) the interface is in English. */
export async function loadLanguage(): Promise<void> {
  const chosen = language();
  if (chosen === 'de') {
    const { default: german } = await import('./languages/de.json');
    texts.addResourceBundle('de', 'translation', german);
  }
  await texts.changeLanguage(chosen);
  document.documentElement.lang = chosen;
}
