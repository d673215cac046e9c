// What cdk-nag's packs report on templates: node cdk_nag.js DIRECTORY prints {template: [[rule, logical ID, text]]}.
const { readdirSync } = require("fs");
const { basename, join } = require("path");
const cdk = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");
const nag = require("cdk-nag");

const directory = process.argv[2];
const outdir = join(directory, "cdk.out");
const found = {};
for (const file of readdirSync(directory).filter((name) => name.endsWith(".json")).sort()) {
  const name = basename(file, ".json");
  const findings = (found[name] = []);
  const record = ({ ruleId, resource, ruleInfo }, problem = "") =>
    findings.push([ruleId, resource.logicalId ? resource.stack.resolve(resource.logicalId) : resource.node.id, ruleInfo + problem]);
  const app = new cdk.App({ outdir, analyticsReporting: false });
  const stack = new cdk.Stack(app, name);
  new CfnInclude(stack, "Template", { templateFile: join(directory, file) });
  const logger = {
    onCompliance() {}, onSuppressed() {}, onSuppressedError() {}, onNotApplicable() {},
    onNonCompliance: (it) => record(it),
    onError: (it) => record(it, " (not evaluated: " + it.errorMessage + ")"),
  };
  const options = { additionalLoggers: [logger], reports: false, verbose: false };
  for (const Pack of [nag.AwsSolutionsChecks, nag.NIST80053R5Checks, nag.PCIDSS321Checks]) {
    cdk.Aspects.of(app).add(new Pack(options));
  }
  app.synth();
}
console.log(JSON.stringify(found));
