// Numbers and times as they are shown.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

/** Returns a count with thousands marked. */
export function count(number) {
  return whole.format(number);
}

/** Returns a count in at most five characters. */
export function short(number) {
  if (number < 10000) return String(Math.trunc(number));
  let shown = number;
  for (const unit of ["k", "M", "G", "T"]) {
    shown /= 1000;
    if (shown < 999.5) return shown < 99.95 ? `${shown.toFixed(1)}${unit}` : `${shown.toFixed(0)}${unit}`;
  }
  return number.toExponential(0);
}

/** Returns points with one decimal. */
export function points(number) {
  return number.toFixed(1);
}

/** Returns points with one decimal and their sign, a real minus. */
export function signed(number) {
  const text = Math.abs(number).toFixed(1);
  return Number(text) === 0 ? "0.0" : `${number < 0 ? "−" : "+"}${text}`;
}

/** Returns what one engagement is worth in points: more decimals than `signed`, for there are many of them. */
export function worth(number) {
  const text = Math.abs(number).toFixed(2);
  return Number(text) === 0 ? "< 0.01" : `${number < 0 ? "−" : "+"}${text}`;
}

/** Returns an age in seconds as a person says it. */
export function age(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86400).toFixed(0)} d`;
}

/** Returns the time of day of epoch seconds; with the day where it isn't today. */
export function time(epochS) {
  const date = new Date(epochS * 1000);
  if (Number.isNaN(date.getTime())) return "—";
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
}

/** Returns day and time of epoch seconds. */
export function moment(epochS) {
  const date = new Date(epochS * 1000);
  return Number.isNaN(date.getTime()) ? "—" : full.format(date);
}

/** Returns the day of epoch seconds. */
export function date(epochS) {
  return day.format(new Date(epochS * 1000));
}
