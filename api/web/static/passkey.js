// Passkeys: the browser's own JSON forms, one request to begin, one to finish.
const usable = "PublicKeyCredential" in window && "parseCreationOptionsFromJSON" in PublicKeyCredential;
const form = document.getElementById("passkey-add") ?? document.getElementById("passkey-sign-in");
const problem = document.getElementById("passkey-error");

async function post(address, values) {
  const body = new URLSearchParams({ form_token: form.elements.form_token.value, ...values });
  const answer = await fetch(address, { method: "POST", body, headers: { accept: "application/json" } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error ?? found.title);
  return found;
}

async function run() {
  const { ceremony_id: ceremony, options } = await post(form.dataset.begin, {});
  const credential = form.dataset.kind === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  const { next } = await post(form.dataset.finish, { ceremony_id: ceremony, response: JSON.stringify(credential.toJSON()) });
  location.assign(next);
}

if (form && usable) {
  form.hidden = false;
  const missing = document.getElementById("passkey-missing");
  if (missing) missing.hidden = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.hidden = true;
    run().catch((error) => {
      // A person who closes the browser's dialogue knows it; nothing needs saying.
      if (error.name === "NotAllowedError") return;
      problem.textContent = error.message;
      problem.hidden = false;
    });
  });
}

// An act: the passkey signs the hash of what is shown, and the answer goes with the form.
const act = document.getElementById("passkey-act");
if (act && usable) {
  act.hidden = false;
  act.addEventListener("click", async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(act.dataset.options));
    const credential = await navigator.credentials.get({ publicKey }).catch(() => null);
    if (!credential) return;
    document.getElementById("passkey-response").value = JSON.stringify(credential.toJSON());
    act.form.noValidate = true;
    act.form.requestSubmit();
  });
}
