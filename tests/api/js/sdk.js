// What the current AWS SDK does by default: checksums in trailers, and all of its ways to send a body.
import assert from "node:assert";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import {
  S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand, HeadObjectCommand, CopyObjectCommand,
  DeleteObjectsCommand, DeleteObjectCommand, ListObjectsV2Command, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint, bucket, names] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])];
const s3 = new S3Client({
  endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1,
  credentials: { accessKeyId: "test:tester", secretAccessKey: "testing" },
});
const send = (Command, args) => s3.send(new Command({ Bucket: bucket, ...args }));
const bytes = async (r) => Buffer.from(await r.Body.transformToByteArray());

await send(CreateBucketCommand, {});
for (const size of [0, 1, 5 << 20]) {
  const body = randomBytes(size);
  const put = await send(PutObjectCommand, { Key: "sized", Body: body, Metadata: { colour: "blue" } });
  assert(put.ChecksumCRC32 || put.ChecksumCRC64NVME);
  const got = await send(GetObjectCommand, { Key: "sized", ChecksumMode: "ENABLED" });
  assert((await bytes(got)).equals(body));
  assert.equal(got.Metadata.colour, "blue");
}
const large = randomBytes(100 << 20);
await new Upload({ client: s3, params: { Bucket: bucket, Key: "large", Body: Readable.from([large]) }, partSize: 8 << 20 }).done();
assert((await bytes(await send(GetObjectCommand, { Key: "large" }))).equals(large));
await send(CopyObjectCommand, { Key: "copy", CopySource: `${bucket}/large` });
assert.equal((await send(HeadObjectCommand, { Key: "copy" })).ContentLength, large.length);
for (const Key of names) {
  await send(PutObjectCommand, { Key, Body: Key });
  assert.equal((await bytes(await send(GetObjectCommand, { Key }))).toString(), Key);
}
const listed = (await send(ListObjectsV2Command, {})).Contents.map((o) => o.Key);
for (const name of names) assert(listed.includes(name), name);
for (let i = 0; i < 1500; i += 50)
  await Promise.all(Array.from({ length: 50 }, (_, n) =>
    send(PutObjectCommand, { Key: `many/${String(i + n).padStart(4, "0")}`, Body: "x" })));
let many = [];
for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: "many/" })) many.push(...page.Contents);
assert.equal(many.length, 1500);
const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: "sized" }), { expiresIn: 60 });
assert.equal((await fetch(url)).status, 200);
const to = await getSignedUrl(s3, new PutObjectCommand({ Bucket: bucket, Key: "by-url" }), { expiresIn: 60 });
assert.equal((await fetch(to, { method: "PUT", body: "text" })).status, 200);
// What would be headers stands in the query.
const told = new PutObjectCommand({ Bucket: bucket, Key: "told", ACL: "public-read", Tagging: "a=b", Metadata: { colour: "green" } });
assert.equal((await fetch(await getSignedUrl(s3, told, { expiresIn: 60 }), { method: "PUT", body: "text" })).status, 200);
const head = await send(HeadObjectCommand, { Key: "told" });
assert.equal(head.Metadata.colour, "green");
assert.equal(head.TagCount, 1);
assert.equal((await fetch(`${endpoint}/${bucket}/told`)).status, 200);
await assert.rejects(send(PutObjectCommand, { Key: "sized", Body: "x", IfNoneMatch: "*" }), { name: "PreconditionFailed" });
for (let i = 0; i < 1500; i += 1000) {
  const gone = await send(DeleteObjectsCommand, { Delete: { Objects: many.slice(i, i + 1000).map(({ Key }) => ({ Key })) } });
  assert(!gone.Errors?.length);
}
await send(DeleteObjectCommand, { Key: "copy" });
await assert.rejects(send(GetObjectCommand, { Key: "copy" }), { name: "NoSuchKey" });
console.log("whole");
