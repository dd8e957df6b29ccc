/* Show every <time> in the reader's own words ("3 minutes ago"), the full local time in its title; keep it current. */
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium" });

function words(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? [];
  return unit ? relative.format(Math.round(seconds / size), unit) : relative.format(0, "second");
}

function show() {
  document.querySelectorAll("time[datetime]").forEach((element) => {
    const moment = new Date(element.dateTime);
    const text = words(moment);
    if (element.textContent !== text) element.textContent = text;
    element.title = full.format(moment);
  });
}

show();
setInterval(show, 30_000);
document.addEventListener("htmx:afterSwap", show);
