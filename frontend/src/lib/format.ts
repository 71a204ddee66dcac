/** Numbers and times as people read them, in the language of the texts. */

import { locale } from './i18n';

export function percent(share: number | null | undefined, digits = 1): string {
  // A no-break space: the sign stays with its number.
  return share === null || share === undefined ? '–' : `${number(share * 100, digits)}\u00a0%`;
}

export function number(value: number | null | undefined, digits?: number): string {
  if (value === null || value === undefined) return '–';
  return value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];
const relative = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });

export function date(iso: string): string {
  return new Date(iso).toLocaleDateString(locale(), { dateStyle: 'medium' });
}

export function dateAndTime(iso: string): string {
  return new Date(iso).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'medium' });
}

/** "14:05:09". */
export function clock(iso: string): string {
  return new Date(iso).toLocaleTimeString(locale(), { timeStyle: 'medium', hourCycle: 'h23' });
}

/** "3 minutes ago"; dates further off than a month are written out. */
export function timeAgo(iso: string, now = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  if (Math.abs(seconds) > 30 * 86_400) return date(iso);
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ['second', 1];
  return relative.format(Math.round(seconds / size), unit);
}

/** "1 min 20 s" from the seconds between two times. */
export function duration(from: string | null, to: string | null, now = Date.now()): string {
  if (!from) return '–';
  const seconds = Math.max(0, Math.round(((to ? new Date(to).getTime() : now) - new Date(from).getTime()) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}
