// Lets the browser keep what verifies codes without a network; every page that reads codes asks for it.
export function keepForOffline() {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/v/worker.js", { scope: "/v" });
}
