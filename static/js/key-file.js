/* Fill both keys from the console's key file (credentials/_key_file.html). It is read here and sent nowhere; what it
   holds is written into the two fields and into nothing else. */
const LARGEST = 64 * 1024;
const KEY_ID = /^[A-Z0-9]{16,128}$/;
const SECRET = /^[A-Za-z0-9+/]{40}$/;

const area = document.querySelector("[data-key-file]");
const chooser = area.querySelector("input");
const answer = area.querySelector("[role='status']");

/* The fields of one line of CSV; a quoted one may hold separators, and quotes twice. */
function fieldsOf(line, separator) {
  const field = new RegExp(`${separator}(?:"((?:[^"]|"")*)"|([^${separator}]*))`, "g");
  const fields = `${separator}${line}`.matchAll(field);
  return Array.from(fields, ([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain).trim());
}

/* Return { id, secret } or { problem }. Old files have more columns, and other capitals; Excel writes semicolons. */
function keysIn(text) {
  if (/AWSAccessKeyId|AWSSecretKey/i.test(text)) return { problem: "root" };
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).filter((line) => line.trim());
  if (!lines.length) return { problem: "empty" };
  const separator = lines[0].includes(";") ? ";" : ",";
  const [header, ...rows] = lines.map((line) => fieldsOf(line, separator));
  const columns = header.map((name) => name.toLowerCase());
  const [idAt, secretAt] = ["access key id", "secret access key"].map((name) => columns.indexOf(name));
  const keys = rows.map((row) => ({ id: row[idAt], secret: row[secretAt] })).filter(({ id }) => id);
  if (keys.length > 1) return { problem: "several" };
  return KEY_ID.test(keys[0]?.id) && SECRET.test(keys[0].secret) ? keys[0] : { problem: "other" };
}

async function read(files) {
  if (files.length !== 1) return { problem: "several" };
  const [file] = files;
  if (/^rootkey\b.*\.csv$/i.test(file.name)) return { problem: "root" };
  if (file.size === 0) return { problem: "empty" };
  if (file.size > LARGEST) return { problem: "large" };
  return keysIn(await file.text());
}

function fill(name, value) {
  const input = document.querySelector(`[name='${name}']`);
  const stored = input.closest("details");
  if (stored) stored.open = true;
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

async function take(files) {
  const { id, secret, problem } = await read(files).catch(() => ({ problem: "other" })); // a folder, or gone
  if (!problem) {
    fill("access_key_id", id);
    fill("secret_access_key", secret);
  }
  answer.textContent = answer.dataset[problem ?? "filled"];
  answer.classList.toggle("key-file-refused", Boolean(problem));
}

chooser.addEventListener("change", async () => {
  if (chooser.files.length) await take([...chooser.files]);
  chooser.value = ""; // the same file may be chosen again
});

/* Anywhere on the page: a file that missed the field would otherwise replace the page. */
const hasFiles = (event) => event.dataTransfer.types.includes("Files");

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  area.classList.add("key-file-over");
});

document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) area.classList.remove("key-file-over");
});

document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  area.classList.remove("key-file-over");
  take([...event.dataTransfer.files]);
});
