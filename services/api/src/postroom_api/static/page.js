// Conveniences of every page: times in the viewer's zone, and keys. Everything is there without them.
"use strict";

const language = document.documentElement.lang || undefined;
const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" });
const minute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  time.title = exact.format(moment);
  if ("when" in time.dataset) time.textContent = minute.format(moment);
}

const ROWS = "main tbody tr, main ul.list > li, main ol.list > li, main ol.posts > li, main ul.choices > li, main ul.troubles > li";
const TYPING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

// j and k: the first link of the next row, or of the one before, gets the focus.
function move(step) {
  const links = [...document.querySelectorAll(ROWS)]
    .filter((row) => row.offsetParent !== null)
    .map((row) => row.querySelector("a[href]"))
    .filter(Boolean);
  if (!links.length) return;
  const here = document.activeElement && document.activeElement.closest(ROWS);
  const now = here ? links.findIndex((link) => here.contains(link)) : -1;
  const next = now < 0 ? (step > 0 ? 0 : links.length - 1) : now + step;
  const link = links[Math.min(Math.max(next, 0), links.length - 1)];
  link.focus();
  link.scrollIntoView({ block: "nearest" });
}

const keys = document.getElementById("keys");
const actions = {
  j: () => move(1),
  k: () => move(-1),
  "?": () => keys && (keys.open ? keys.close() : keys.showModal()),
  "/": () => {
    const field = document.querySelector("main input[type=search]");
    if (!field) return false;
    field.focus();
    field.select();
    return true;
  },
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest && event.target.closest(TYPING)) return;
  const action = actions[event.key];
  if (action && action() !== false) event.preventDefault();
});
if (keys) {
  for (const opener of document.querySelectorAll("[data-keys]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => keys.showModal());
  }
}
