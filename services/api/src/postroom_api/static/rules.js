// Conveniences of rules: the form changes in its place and says at once what it means, and rules are
// dragged into order. Everything is there without them.
"use strict";

const editor = document.getElementById("editor");

async function ask(name, value) {
  const form = editor.querySelector("form[data-rule]");
  const body = new URLSearchParams(new FormData(form));
  body.append(name, value);
  const answer = await fetch(window.location.href, { method: "POST", body, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

if (editor) {
  let waiting = 0;
  let asked = 0;
  editor.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button || button.name !== "do" || button.value === "backtest") return;
    event.preventDefault();
    clearTimeout(waiting);
    asked += 1;
    const page = await ask("do", button.value).catch(() => null);
    const fresh = page && page.getElementById("editor");
    if (!fresh) {
      // Without an answer to show: as without this script.
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "do", value: button.value });
      event.target.append(field);
      event.target.submit();
      return;
    }
    editor.replaceChildren(...fresh.childNodes);
    const field = editor.querySelector("[autofocus]");
    if (field) field.focus();
  });
  editor.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const page = await ask("do", "look").catch(() => null);
      const now = document.getElementById("sentence");
      const fresh = page && page.getElementById("sentence");
      if (fresh && now && mine === asked) now.textContent = fresh.textContent;
    }, 300);
  });
}

// Rules in order: one is dragged among those of its scope; the arrows do the same.
const list = document.querySelector("ol[data-order]");
if (list) {
  let dragged = null;
  for (const handle of list.querySelectorAll(".handle")) handle.hidden = false;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li[data-scope]");
    if (dragged) event.dataTransfer.setData("text/plain", dragged.id);
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li[data-scope]");
    if (dragged && over && over.dataset.scope === dragged.dataset.scope) event.preventDefault();
  });
  list.addEventListener("drop", async (event) => {
    const over = event.target.closest("li[data-scope]");
    if (!dragged || !over || over === dragged || over.dataset.scope !== dragged.dataset.scope) return;
    event.preventDefault();
    const those = [...list.querySelectorAll("li[data-scope]")].filter((one) => one.dataset.scope === dragged.dataset.scope);
    const by = those.indexOf(over) - those.indexOf(dragged);
    await fetch(`/rules/${dragged.dataset.rule}/move`, { method: "POST", body: new URLSearchParams({ by: String(by) }) });
    window.location.reload();
  });
}
