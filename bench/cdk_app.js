// The same resources as a CDK app: each nested stack of ours as a NestedStack, each resource as a CfnResource.
const { readFileSync } = require("fs");
const cdk = require("aws-cdk-lib");

const layers = JSON.parse(readFileSync(process.argv[2]));
const app = new cdk.App({ outdir: process.argv[3], analyticsReporting: false });
const parent = new cdk.Stack(app, "pypiserver");
for (const [layer, resources] of Object.entries(layers)) {
  const nested = new cdk.NestedStack(parent, layer);
  for (const [title, { Type: type, Properties: properties }] of Object.entries(resources)) {
    new cdk.CfnResource(nested, title, { type, properties });
  }
}
app.synth();
