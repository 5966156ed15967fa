// Server-sent events for what a page shows while it happens. Without this file pages refresh.
"use strict";

function follow(list) {
  const words = JSON.parse(list.dataset.words || "{}");
  const feed = new EventSource(list.dataset.live);
  feed.addEventListener("stage", (event) => {
    const stage = JSON.parse(event.data);
    const item = document.createElement("li");
    const name = document.createElement("b");
    const said = document.createElement("span");
    item.className = stage.well ? "hit" : "failed";
    name.textContent = words[stage.name] || stage.name;
    said.textContent = stage.words;
    item.append(name, " ", said);
    list.append(item);
  });
  feed.addEventListener("progress", (event) => {
    const told = JSON.parse(event.data);
    const text = (list.dataset.text || "{stored} / {found}")
      .replace("{stored}", told.stored)
      .replace("{found}", told.found);
    list.textContent = text;
  });
  feed.addEventListener("end", () => {
    feed.close();
    location.replace(list.dataset.then || location.href);
  });
}

for (const list of document.querySelectorAll("[data-live]")) follow(list);
