// Passkeys: a form marked data-passkey="get" or "create" asks the browser what its data-options say (WebAuthn 3
// section 5.1), puts the answer into its field `credential` and is sent like any other form. Without WebAuthn such a
// form stays hidden.
"use strict";

const fromText = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const descriptors = (list) => (list || []).map((each) => ({ ...each, id: fromText(each.id) }));

const asked = (options) => {
  const found = { ...options, challenge: fromText(options.challenge) };
  if (options.user) {
    found.user = { ...options.user, id: fromText(options.user.id) };
    found.excludeCredentials = descriptors(options.excludeCredentials);
  } else {
    found.allowCredentials = descriptors(options.allowCredentials);
  }
  return found;
};

const answered = (credential) => {
  const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return JSON.stringify({
    id: credential.id, rawId: toText(credential.rawId), type: credential.type, response,
    clientExtensionResults: {},
  });
};

let waiting = null;

const ask = async (form, extra) => {
  if (waiting) waiting.abort();
  waiting = new AbortController();
  const request = { publicKey: asked(JSON.parse(form.dataset.options)), signal: waiting.signal, ...extra };
  const verb = form.dataset.passkey === "create" ? "create" : "get";
  form.elements.credential.value = answered(await navigator.credentials[verb](request));
  HTMLFormElement.prototype.submit.call(form);
};

const explain = (form, problem) => {
  if (problem.name === "AbortError") return;
  const note = form.querySelector("[data-problem]");
  if (note) note.hidden = false;
};

const prepare = (form) => {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form, {}).catch((problem) => explain(form, problem));
  });
};

const offer = async (form) => {
  const can = PublicKeyCredential.isConditionalMediationAvailable;
  if (can && (await can.call(PublicKeyCredential))) await ask(form, { mediation: "conditional" });
};

if (window.PublicKeyCredential && navigator.credentials) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    prepare(form);
    if ("conditional" in form.dataset) offer(form).catch(() => {});
  }
}
