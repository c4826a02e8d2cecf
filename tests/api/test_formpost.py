"""Forms of browsers, signed by who owns the container."""
import hashlib
import hmac
import os
import time

import pytest
import requests

from conftest import User

KEY = "form-key"


@pytest.fixture(scope="module")
def owner(cloud):
    user = User(cloud, "test:tester2", "testing2")
    other = user.storage  # the same account as test:tester's
    assert user.request("POST", storage=other, headers={"X-Account-Meta-Temp-URL-Key-2": KEY}).status_code == 204
    yield user
    user.request("POST", headers={"X-Account-Meta-Temp-URL-Key-2": ""})


@pytest.fixture
def place(owner):
    name = "f-" + os.urandom(5).hex()
    headers = {"X-Container-Meta-Temp-Url-Key-2": "the container's"}
    assert owner.request("PUT", "/" + name, headers=headers).status_code == 201
    return name


def part(name, value, boundary="b0undary", **headers):
    return "".join("%s: %s\r\n" % h for h in [("Content-Disposition", 'form-data; name="%s"' % name)]
                   + list(headers.items())).encode() + b"\r\n" + value


def file(body, filename="file.txt", name="file", kind=None):
    h = 'Content-Disposition: form-data; name="%s"; filename="%s"\r\n' % (name, filename)
    if kind:
        h += "Content-Type: %s\r\n" % kind
    return h.encode() + b"\r\n" + body


class Form:
    def __init__(self, owner, path):
        self.owner, self.path = owner, "/v1/%s%s" % (owner.storage.rsplit("/", 1)[1], path)

    def fields(self, key=KEY, digest="sha256", redirect="", size=1000000, count=5, expires=None, path=None, **more):
        expires = int(time.time()) + 60 if expires is None else expires
        text = "%s\n%s\n%s\n%s\n%s" % (path or self.path, redirect, size, count, expires)
        sig = hmac.new(key.encode(), text.encode(), getattr(hashlib, digest)).hexdigest()
        fields = dict(max_file_size=size, max_file_count=count, expires=expires, signature=sig)
        if redirect:
            fields["redirect"] = redirect
        fields.update(more)
        return fields

    def post(self, *files, fields=None, boundary="b0undary", end=b"--\r\n", chunked=False, headers=None, **kw):
        fields = self.fields(**kw) if fields is None else fields
        parts = [part(k, str(v).encode()) for k, v in fields.items()] + list(files)
        line = b"--" + boundary.encode()
        body = b"".join(line + b"\r\n" + p + b"\r\n" for p in parts) + line + end
        h = {"Content-Type": "multipart/form-data; boundary=" + boundary}
        h.update(headers or {})
        return requests.post(self.owner.cloud.url + self.path, headers=h, timeout=60, allow_redirects=False,
                             data=iter([body[i:i + 777] for i in range(0, len(body), 777)]) if chunked else body)


def get(owner, path):
    return owner.request("GET", path)


def test_files_are_uploaded(owner, place):
    form, big = Form(owner, "/%s/up/" % place), os.urandom(3000000)
    r = form.post(file(b"one", "a.txt"), file(big, "b.bin", kind="x/y"), file(b"", "empty"), size=3000000)
    assert r.status_code == 201 and r.text == "201 Created" and r.headers["Content-Type"].startswith("text/plain")
    assert get(owner, "/%s/up/a.txt" % place).text == "one"
    r = get(owner, "/%s/up/b.bin" % place)
    assert r.content == big and r.headers["Content-Type"] == "x/y"
    assert r.headers["Etag"] == hashlib.md5(big).hexdigest()
    assert get(owner, "/%s/up/empty" % place).content == b""
    for path, name in (("", "f1"), ("/", "f2"), ("/pre", "pref3")):
        form = Form(owner, "/" + place + path)
        for digest in ("sha1", "sha256", "sha512"):
            for key in (KEY, "the container's"):
                body = (digest + key + path).encode()
                r = form.post(file(body, name[-2:]), digest=digest, key=key, chunked=True)
                assert r.status_code == 201, r.text
                assert get(owner, "/%s/%s" % (place, name)).content == body


def test_fields_go_with_the_files(owner, place):
    form = Form(owner, "/%s/" % place)
    r = form.post(file(b"x", "ü e.txt", kind="no/no"), **{"x_delete_after": "1000", "content-type": "a/b",
                                                          "content-encoding": "gzip"})
    assert r.status_code == 201
    r = owner.request("HEAD", "/%s/ü%%20e.txt" % place)
    assert r.headers["Content-Type"] == "a/b" and r.headers["Content-Encoding"] == "gzip"
    assert abs(int(r.headers["X-Delete-At"]) - time.time() - 1000) < 100
    at = str(int(time.time()) + 5000)
    assert form.post(file(b"x", "at"), x_delete_at=at).status_code == 201
    assert owner.request("HEAD", "/%s/at" % place).headers["X-Delete-At"] == at
    for name in ("x_delete_at", "x_delete_after"):
        r = form.post(file(b"x", "bad"), **{name: "soon"})
        assert r.status_code == 400 and r.text.startswith("FormPost: %s not an integer" % name)
    assert form.post(file(b"x", "bad"), x_delete_at="5").status_code == 400  # in the past: the object's own answer
    assert get(owner, "/%s/bad" % place).status_code == 404


def test_redirects(owner, place):
    form = Form(owner, "/%s/" % place)
    r = form.post(file(b"x"), redirect="http://192.0.2.1/done")
    assert r.status_code == 303 and r.headers["Location"] == "http://192.0.2.1/done?status=201&message="
    assert '<a href="http://192.0.2.1/done?status=201&message=">' in r.text
    r = form.post(file(b"x"), file(b"y"), count=1, redirect="/done?a=b")
    assert r.status_code == 303
    assert r.headers["Location"] == "/done?a=b&status=400&message=max%20file%20count%20exceeded"
    r = form.post(file(b"x"), redirect='/"><script>')
    assert r.status_code == 303 and "<script>" not in r.text
    assert form.post(file(b"x"), redirect="/a\r\nX-Evil: b").status_code == 400


def test_limits(owner, place):
    form = Form(owner, "/%s/" % place)
    r = form.post(file(b"x" * 11, "big"), size=10)
    assert r.status_code == 400 and r.text == "FormPost: max_file_size exceeded"
    assert form.post(file(b"x" * 10, "fits"), size=10).status_code == 201
    r = form.post(file(b"x" * 2000000, "big"), size=1999999)
    assert r.status_code == 400 and r.text == "FormPost: max_file_size exceeded"
    r = form.post(file(b"1", "1"), file(b"2", "2"), file(b"3", "3"), count=2)
    assert r.status_code == 400 and r.text == "400 Bad Request\r\nFormPost: Max File Count Exceeded"
    r = form.post()
    assert r.status_code == 400 and r.text == "400 Bad Request\r\nFormPost: No Files To Process"
    assert get(owner, "/" + place).text == "1\n2\nfits\n"
    for name in ("max_file_size", "max_file_count", "expires"):
        r = form.post(file(b"x", "bad"), fields=dict(form.fields(), **{name: "ten"}))
        assert r.status_code == 400 and "not an integer" in r.text, name
    many = [part("f%d" % i, b"v") for i in range(300)]
    assert form.post(*many).status_code == 400
    assert get(owner, "/%s/bad" % place).status_code == 404


def test_nothing_signed_can_be_changed(owner, place):
    form = Form(owner, "/%s/dir/" % place)
    good = form.fields(expires=int(time.time()) + 60)
    assert form.post(file(b"x", "ok"), fields=good).status_code == 201
    sig = good["signature"]
    for bad in (dict(max_file_size=2000000), dict(max_file_count=6), dict(expires=good["expires"] + 1),
                dict(redirect="http://192.0.2.1/"), dict(signature=sig[:-1] + "g"), dict(signature=""),
                dict(signature=sig[:-1] + ("0" if sig[-1] != "0" else "1")), dict(signature=sig[:40]),
                dict(signature="md5:" + sig), dict(signature=sig.upper())):
        r = form.post(file(b"x", "evil"), fields=dict(good, **bad))
        assert r.status_code == 401 and r.text == "FormPost: Invalid Signature", bad
        assert r.headers["Www-Authenticate"].startswith("Swift realm=")
    for name in good:
        r = form.post(file(b"x", "evil"), fields={k: v for k, v in good.items() if k != name})
        assert r.status_code in (400, 401), name
    assert form.post(file(b"x", "evil"), key="wrong").status_code == 401
    r = form.post(file(b"x", "evil"), expires=int(time.time()) - 10)
    assert r.status_code == 401 and r.text == "FormPost: Form Expired"
    # Behind the first file nothing can be put right.
    wrong = dict(good, signature="0" * 64)
    assert form.post(file(b"x", "evil"), part("signature", sig.encode()), fields=wrong).status_code == 401
    other = Form(owner, "/%s/other/" % place)
    assert other.post(file(b"x", "evil"), fields=good).status_code == 401
    nokey = "n-" + place
    owner.request("PUT", "/" + nokey)
    assert Form(owner, "/%s/" % nokey).post(file(b"x", "evil"), key="the container's").status_code == 401
    assert Form(owner, "/").post(file(b"x", "evil")).status_code == 401
    # A token does not help.
    r = form.post(file(b"x", "evil"), key="wrong", headers={"X-Auth-Token": owner.token})
    assert r.status_code == 401
    assert get(owner, "/" + place).text == "dir/ok\n"


def test_names_stay_in_the_container(owner, place):
    form = Form(owner, "/%s" % place)
    for name in ("../../other/x", "/x", "a/../../b", "%2e%2e/c", "x?multipart-manifest=put", "x#y"):
        assert form.post(file(b"x", name)).status_code == 201, name
    names = [o["name"] for o in owner.request("GET", "/%s?format=json" % place).json()]
    assert names == sorted(["../../other/x", "/x", "a/../../b", "%2e%2e/c", "x?multipart-manifest=put", "x#y"])
    for name in (b"\xff", b"a\xc3"):
        bad = b'Content-Disposition: form-data; name="f"; filename="' + name + b'"\r\n\r\nx'
        assert form.post(bad).status_code == 400


@pytest.mark.parametrize("body", [b"", b"--", b"--wrong\r\n\r\n", b"--b0undary--\r\n", b"\r\n\r\n\r\n", b"x" * 100000])
def test_bad_starts(owner, place, body):
    r = requests.post(owner.cloud.url + Form(owner, "/" + place).path, data=body, timeout=60,
                      headers={"Content-Type": "multipart/form-data; boundary=b0undary"})
    assert r.status_code == 400 and r.text == "FormPost: invalid starting boundary", body


def test_a_form_that_is_cut_short_leaves_nothing(owner, place):
    form = Form(owner, "/%s/" % place)
    for end in (b"", b"-", b"x"):
        r = form.post(part("a", b"b")[:-1], file(b"x" * 100000, "cut")[:-5], fields=form.fields(), end=end)
        assert r.status_code in (201, 400)
    line = b"--b0undary\r\n"
    body = b"".join(line + part(k, str(v).encode()) + b"\r\n" for k, v in form.fields().items())
    body += line + file(b"x" * 100000, "short")
    r = requests.post(owner.cloud.url + form.path, data=body, timeout=60,
                      headers={"Content-Type": "multipart/form-data; boundary=b0undary"})
    assert r.status_code == 400
    assert get(owner, "/%s/short" % place).status_code == 404


def test_refusals_of_the_upload_are_the_answer(owner, place):
    form = Form(owner, "/%s/" % place)
    owner.request("POST", "/" + place, headers={"X-Container-Meta-Quota-Count": "1"})
    assert form.post(file(b"x" * 10, "small")).status_code == 201
    r = form.post(file(b"x" * 500000, "big"))
    assert r.status_code == 413 and "quota" in r.text.lower()
    assert owner.request("HEAD", "/%s/big" % place).status_code == 404
    assert Form(owner, "/none/").post(file(b"x")).status_code == 404
    r = form.post(file(b"x" * 500000, "big"), redirect="http://192.0.2.1/")
    assert r.status_code == 303 and "status=413" in r.headers["Location"]


def test_other_posts_are_none_of_it(owner, place):
    path = "/" + place
    for kind in ("multipart/form-data", "multipart/mixed; boundary=x", "text/plain; boundary=x"):
        r = owner.request("POST", path, headers={"Content-Type": kind, "X-Container-Meta-A": "b"})
        assert r.status_code == 204, kind


def test_info(cloud):
    assert requests.get(cloud.url + "/info", timeout=60).json()["formpost"] == {
        "allowed_digests": ["sha1", "sha256", "sha512"], "deprecated_digests": ["sha1"]}
