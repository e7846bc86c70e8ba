// What every page needs: rest while nobody looks, say so when the console itself does not answer.
"use strict";
(() => {
  const notice = document.getElementById("notice");
  const say = (text) => {
    const panel = document.createElement("div");
    panel.className = "panel trouble";
    panel.textContent = text;
    notice.replaceChildren(panel);
  };
  const isPolling = (event) => (event.detail.elt.getAttribute("hx-trigger") || "").startsWith("every");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isPolling(event)) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) notice.replaceChildren();
  });
  document.addEventListener("htmx:sendError", () => say("The console does not answer. What you see may be old; it goes on when the console is back."));
})();
