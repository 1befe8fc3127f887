"use strict";

// Copy buttons. Without this script, or where the browser gives no clipboard, the field is selected by hand.
function copyFrom(button) {
  const field = document.getElementById(button.dataset.hubCopy);
  const words = button.querySelector("[data-hub-copy-text]");
  const say = (text) => {
    words.textContent = text;
    setTimeout(() => { words.textContent = "Copy"; }, 2000);
  };
  field.focus();
  field.select();
  // Browsers give a clipboard to secure pages only; the older way still works on plain http.
  const done = navigator.clipboard
    ? navigator.clipboard.writeText(field.value)
    : Promise.resolve(document.execCommand("copy") || Promise.reject(new Error("refused")));
  done.then(() => say("Copied"), () => say("Press Ctrl+C"));
}

// The progress of a job: asked for once a second while it is open and the page is looked at.
function follow(card) {
  const PAUSE_MS = 1000;
  const part = (name) => card.querySelector(`[data-hub-live-${name}]`);
  let failures = 0;
  const show = (told) => {
    const bar = part("bar");
    bar.hidden = told.percent === null;
    if (told.percent !== null) {
      bar.firstElementChild.style.width = `${told.percent}%`;
      bar.setAttribute("aria-valuenow", told.percent);
    }
    if (told.progress) part("text").textContent = told.progress;
    part("attempts").textContent = told.attempts;
    const label = part("state").firstElementChild;
    if (label.textContent.trim() !== told.label) label.textContent = told.label;
  };
  const later = () => setTimeout(ask, PAUSE_MS * Math.min(30, 2 ** failures));
  const ask = async () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", ask, { once: true });
      return;
    }
    try {
      const answer = await fetch(card.dataset.hubLive, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const told = await answer.json();
      failures = 0;
      show(told);
      if (!told.is_open) {
        // What came of it, the error and the buttons are the server's to write.
        location.reload();
        return;
      }
    } catch {
      failures += 1;
      if (failures > 8) return;
    }
    later();
  };
  later();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-hub-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copyFrom(button));
  }
  for (const card of document.querySelectorAll("[data-hub-live]")) follow(card);
});
