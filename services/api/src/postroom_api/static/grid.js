// A convenience of the list of mailboxes: a double click on a row opens its form, one box selects all,
// and a menu closes when one clicks elsewhere. Everything is there without it.
"use strict";
document.addEventListener("dblclick", (event) => {
  const row = event.target.closest("tr[data-open]");
  if (row && !event.target.closest("a, button, input, summary")) window.location = row.dataset.open;
});
document.addEventListener("change", (event) => {
  if (event.target.id !== "all") return;
  for (const box of document.querySelectorAll("input[name=mailbox]")) box.checked = event.target.checked;
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
const all = document.getElementById("all");
if (all) all.closest("label").hidden = false;
