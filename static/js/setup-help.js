/* The policies beside the form (credentials/_aws_policies.html) say what is typed; "Generate" makes an External ID. */
const roleArn = document.querySelector("[name='role_arn']");
const externalId = document.querySelector("[name='external_id']");
const generated = document.querySelector("[data-generated]");

/* Keep a policy's first statement as the field says; `fill` gets the text, or undefined for none. */
function follow(field, id, fill) {
  const block = document.getElementById(id);
  const code = block.querySelector("code");

  function show() {
    const policy = JSON.parse(code.textContent);
    fill(policy.Statement[0], field.value.trim() || undefined, block.dataset.placeholder);
    code.textContent = JSON.stringify(policy, null, 2);
  }

  field.addEventListener("input", show);
  show(); // a browser may have kept what was typed
}

follow(roleArn, "assume-role-policy", (statement, arn, placeholder) => {
  statement.Resource = arn ?? placeholder;
});

follow(roleArn, "trust-policy", (statement, arn = "") => {
  const [, partition = "aws"] = arn.match(/^arn:(aws[a-z-]*):iam::/) ?? [];
  statement.Principal.AWS = statement.Principal.AWS.replace(/^arn:[^:]*/, `arn:${partition}`);
});

follow(externalId, "trust-policy", (statement, id, placeholder) => {
  statement.Condition.StringEquals["sts:ExternalId"] = id ?? placeholder;
});

function newExternalId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // 128 bits
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

externalId.addEventListener("input", () => (generated.hidden = true));

document.querySelector("[data-generate]").addEventListener("click", () => {
  const stored = externalId.closest("details");
  if (stored) stored.open = true;
  externalId.value = newExternalId();
  externalId.dispatchEvent(new Event("input", { bubbles: true }));
  document.getElementById("trust-policy").open = true;
  generated.hidden = false;
});
