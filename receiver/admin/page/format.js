// Numbers, times and counts for people, in the browser's language and zone.

const number = new Intl.NumberFormat();
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

export const count = (n) => number.format(n ?? 0);

/** plural(3, 'message') is "3 messages". */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function percent(part, whole) {
  if (!whole) return '0 %';
  const p = (100 * part) / whole;
  return `${p > 0 && p < 1 ? '<1' : Math.round(p)} %`;
}

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

/** 5400 is "2 hours": one unit is exact enough. */
export function duration(seconds) {
  for (const [unit, size] of UNITS) {
    if (seconds >= size * (size === 1 ? 0 : 1.5)) return plural(Math.round(seconds / size), unit);
  }
  return '0 seconds';
}

export function when(iso) {
  const at = new Date(iso ?? NaN);
  return Number.isNaN(at.getTime()) ? '' : dateTime.format(at);
}

export function whenExactly(iso) {
  const at = new Date(iso ?? NaN);
  return Number.isNaN(at.getTime()) ? '' : exact.format(at);
}

/** "5 minutes ago", "in 3 hours". */
export function ago(iso) {
  const seconds = (Date.now() - new Date(iso ?? NaN).getTime()) / 1000;
  if (Number.isNaN(seconds)) return '';
  if (Math.abs(seconds) < 5) return 'just now';
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

/** The daemon's sentences begin small and end without a full stop. */
export function sentence(text) {
  if (!text) return '';
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.!?:…]$/.test(whole) ? whole : `${whole}.`;
}

export function bytes(n) {
  if (n < 1024) return plural(n, 'byte');
  return n < 1048576 ? `${count(Math.round(n / 1024))} KiB` : `${count(Math.round(n / 104857.6) / 10)} MiB`;
}

/** What an <input type="datetime-local"> holds, in UTC as the API wants it; '' if it holds nothing. */
export function toUtc(local) {
  const at = new Date(local || NaN);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The other way round. */
export function toLocal(iso) {
  const at = new Date(iso || NaN);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
