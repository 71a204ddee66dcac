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

/** "1.2 MiB". */
export function fileSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes > 0 ? Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1) : 0;
  return `${number(bytes / 1024 ** power, power > 0 ? 1 : 0)}\u00a0${units[power]}`;
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

/** A difference of shares in points of per cent, with its sign: "+6", "−0.4". What rounds to nothing has none. */
export function signedPoints(share: number, digits = 0): string {
  const text = number(Math.abs(share) * 100, digits);
  if (Number((Math.abs(share) * 100).toFixed(digits)) === 0) return text;
  return `${share < 0 ? '−' : '+'}${text}`;
}

/** Of a day without a time ("2026-12-12"), which is the same day everywhere. */
export function day(iso: string, options: Intl.DateTimeFormatOptions = { dateStyle: 'medium' }): string {
  return new Date(iso).toLocaleDateString(locale(), { ...options, timeZone: 'UTC' });
}

/** "9–18 Dec", with years where they are not this one. */
export function dayRange(from: string, to: string, now = new Date()): string {
  const isThisYear = [from, to].every((iso) => new Date(iso).getUTCFullYear() === now.getUTCFullYear());
  return new Intl.DateTimeFormat(locale(), {
    day: 'numeric',
    month: 'short',
    year: isThisYear ? undefined : 'numeric',
    timeZone: 'UTC',
  }).formatRange(new Date(from), new Date(to));
}

/** The day so many days after `iso`, as "2026-12-12". */
export function daysAfter(iso: string, days: number): string {
  return new Date(Date.parse(iso) + days * 86_400_000).toISOString().slice(0, 10);
}

/** An amount of money, which the server sends as text so that no cent is lost. */
export function money(amount: string, currency: string): string {
  try {
    return Number(amount).toLocaleString(locale(), { style: 'currency', currency });
  } catch {
    // Not a code of the standard: a project may pay in points.
    return `${number(Number(amount), 2)}\u00a0${currency}`;
  }
}

/** "48 s", "1 min 20 s". */
export function seconds(ms: number): string {
  const whole = Math.round(ms / 1000);
  return whole < 60 ? `${number(whole)}\u00a0s` : `${Math.floor(whole / 60)}\u00a0min ${whole % 60}\u00a0s`;
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
  return span(((to ? new Date(to).getTime() : now) - new Date(from).getTime()) / 1000);
}

/** "1 min 20 s", "3 d 4 h". */
export function span(s: number): string {
  const whole = Math.max(0, Math.round(s));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}
