// What the phone keeps, in IndexedDB: its key pair, whose private half never leaves the browser, and its pass.
const NAME = "gate-pass", KEPT = "kept", KEY = "key", PASS = "pass";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(KEPT);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function ask(mode, work) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(KEPT, mode);
      const request = work(transaction.objectStore(KEPT));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  } finally { database.close(); }
}

// This phone's CryptoKeyPair, made on the first visit. Two tabs that open at once get the same one: `add` fails for the second.
export async function phoneKeys() {
  const kept = await ask("readonly", (store) => store.get(KEY));
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  try { await ask("readwrite", (store) => store.add(made, KEY)); } catch (error) {
    if (error?.name !== "ConstraintError") throw error;
  }
  // Without this browsers may drop the key when space is short. Some ask the user first: nothing waits for the answer.
  navigator.storage?.persist?.().catch(() => false);
  return ask("readonly", (store) => store.get(KEY));
}

// The text of the kept pass, or undefined.
export const keptPass = () => ask("readonly", (store) => store.get(PASS));

// Keep the text of a pass in place of the one before.
export const keepPass = (text) => ask("readwrite", (store) => store.put(text, PASS));
