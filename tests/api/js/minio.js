// MinIO's own client.
import assert from "node:assert";
import { randomBytes } from "node:crypto";
import { Client, CopyConditions } from "minio";

const [endpoint, bucket, names] = [new URL(process.argv[2]), process.argv[3], JSON.parse(process.argv[4])];
const s3 = new Client({
  endPoint: endpoint.hostname, port: Number(endpoint.port), useSSL: false, region: "us-east-1",
  accessKey: "test:tester", secretKey: "testing",
});
const get = async (key) => {
  const parts = [];
  for await (const part of await s3.getObject(bucket, key)) parts.push(part);
  return Buffer.concat(parts);
};
const list = async (prefix) => {
  const found = [];
  for await (const o of s3.listObjectsV2(bucket, prefix, true)) found.push(o.name);
  return found;
};

await s3.makeBucket(bucket, "us-east-1");
assert(await s3.bucketExists(bucket));
for (const size of [0, 1, 5 << 20, 100 << 20]) {
  const body = randomBytes(size);
  await s3.putObject(bucket, "sized", body, size, { "X-Amz-Meta-Colour": "blue" });
  assert((await get("sized")).equals(body));
  const stat = await s3.statObject(bucket, "sized");
  assert.equal(stat.size, size);
  assert.equal(stat.metaData.colour, "blue");
}
await s3.copyObject(bucket, "copy", `/${bucket}/sized`, new CopyConditions());
assert.equal((await s3.statObject(bucket, "copy")).size, 100 << 20);
for (const name of names) {
  await s3.putObject(bucket, name, name);
  assert.equal((await get(name)).toString(), name);
}
const listed = await list("");
for (const name of names) assert(listed.includes(name), name);
for (let i = 0; i < 1500; i += 50)
  await Promise.all(Array.from({ length: 50 }, (_, n) => s3.putObject(bucket, `many/${String(i + n).padStart(4, "0")}`, "x")));
const many = await list("many/");
assert.equal(many.length, 1500);
assert.equal((await fetch(await s3.presignedGetObject(bucket, "copy", 60), { method: "GET" })).status, 200);
assert.equal((await fetch(await s3.presignedPutObject(bucket, "by-url", 60), { method: "PUT", body: "text" })).status, 200);
await s3.removeObjects(bucket, many);
assert.equal((await list("many/")).length, 0);
await s3.removeObject(bucket, "copy");
await assert.rejects(s3.statObject(bucket, "copy"), { code: "NotFound" });
console.log("whole");
