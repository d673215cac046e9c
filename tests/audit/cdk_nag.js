// What cdk-nag's packs report on each template of a directory: lines of JSON, [template, rule, logical ID, text].
const { readdirSync } = require("fs");
const { basename, join } = require("path");
const cdk = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");
const { AwsSolutionsChecks, NIST80053R5Checks, PCIDSS321Checks } = require("cdk-nag");

const [directory, outdir] = process.argv.slice(2);
for (const file of readdirSync(directory).sort()) {
  const app = new cdk.App({ outdir, analyticsReporting: false });
  const stack = new cdk.Stack(app, basename(file, ".json"));
  new CfnInclude(stack, "Template", { templateFile: join(directory, file) });
  const report = ({ ruleId, ruleInfo, resource, findingId = "", errorMessage = "" }) =>
    console.log(JSON.stringify([
      stack.stackName, ruleId, stack.resolve(resource.logicalId), [ruleInfo, findingId, errorMessage].join(" ").trim(),
    ]));
  const ignored = () => {};
  const logger = {
    onNonCompliance: report, onError: report,
    onCompliance: ignored, onSuppressed: ignored, onSuppressedError: ignored, onNotApplicable: ignored,
  };
  for (const Pack of [AwsSolutionsChecks, NIST80053R5Checks, PCIDSS321Checks]) {
    cdk.Aspects.of(app).add(new Pack({ additionalLoggers: [logger], reports: false }));
  }
  app.synth();
}
