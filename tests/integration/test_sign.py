# SPDX-License-Identifier: Apache-2.0
"""The signing API (checklist 78, 79): the same certificate, checks and records as over SOAP; what a frontend may say and how
far its word goes; repetition; batches; renewal by the device's own signature; the OpenAPI document."""
import base64
import datetime
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "lib"))
import jsonschema  # noqa: E402
import ledgerdb  # noqa: E402
import mdm  # noqa: E402
import tap  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from lab import USER  # noqa: E402
from tenantlab import TenantLab  # noqa: E402

DATA = os.path.join(os.environ["top_srcdir"], "tests", "data", "openapi")
FRONTEND = "[username, one-time-token, jwt, client-certificate, frontend]"
LAB = None


def curl(method, path, body=None, headers=(), raw=None):
    """A call as any program makes it: status and answer."""
    words = ["curl", "-sS", "--unix-socket", LAB.socket, "-X", method, "-o", "-", "-w", "\n%{http_code}", f"http://localhost{path}"]
    for h in headers:
        words += ["-H", h]
    if body is not None or raw is not None:
        words += ["--data-binary", "@-", "-H", "Content-Type: application/json"]
    done = subprocess.run(words, input=(raw or json.dumps(body or {})).encode() if body is not None or raw else b"", capture_output=True,
                          timeout=60, check=True)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(text) if text.strip() else None


def body(csr=None, device=None, **more):
    device = device or mdm.device_id()
    return {"template": "device", "tenant": "red", "principal": USER, "device_id": device,
            "csr": base64.b64encode(csr or mdm.new_csr(device)).decode(), **more}


def sign(*headers, **more):
    return curl("POST", "/v1/sign", body(**more), headers)


def der(answer):
    return base64.b64decode(answer["certificate"])


def load(answer):
    return x509.load_der_x509_certificate(der(answer))


def row(request_id):
    columns = ("state", "tenant", "principal", "user_id", "endpoint", "template_name", "operation", "enrollment_type", "provider", "device_name")
    found = ledgerdb.rows(LAB.ledger, f"SELECT {', '.join(columns)} FROM request WHERE request_id = ?", (request_id,))
    return dict(zip(columns, found[0])) if found else None


def shape(cert):
    """A certificate but for what is its key's, its serial's and its minute's."""
    extensions = {e.oid.dotted_string: (e.critical, e.value.public_bytes()) for e in cert.extensions
                  if not isinstance(e.value, x509.SubjectKeyIdentifier)}
    after = getattr(cert, "not_valid_after_utc", None) or cert.not_valid_after
    before = getattr(cert, "not_valid_before_utc", None) or cert.not_valid_before
    return {"subject": cert.subject.public_bytes(), "issuer": cert.issuer.public_bytes(), "version": cert.version,
            "algorithm": cert.signature_algorithm_oid.dotted_string, "life": after - before, "extensions": extensions}


def c78_default_deny():
    status, a = sign()
    tap.equal((status, a["error"]["reason"]), (404, "sign-endpoint"), "c78 no endpoint takes it that does not say so")
    LAB.set_option(("endpoints", "mdm-enroll", "credentials"), FRONTEND)
    tap.equal(LAB.ctl("reload").status, 0, "credentials: frontend")


def c78_same_certificate():
    """Over SOAP and over the API: one template, one identity, one shape; and the same columns in the ledger."""
    device = mdm.device_id()
    soap = LAB.at("red").enroll(mdm.new_csr(device), device)
    over_soap = x509.load_der_x509_certificate(soap.certificate())
    soap_id = LAB.ctl("--json", "--tenant", "red", "cert", "show", over_soap.fingerprint(hashes.SHA1()).hex(), check=True).json()["request_id"]
    status, a = sign(user_id=row(soap_id)["user_id"], context={"DeviceName": row(soap_id)["device_name"]})
    tap.equal(status, 200, f"c78 signed {a if status != 200 else ''}")
    tap.equal(shape(load(a)), shape(over_soap), "c78 the same certificate, but for key, serial and time")
    tap.equal(row(a["request_id"]), row(soap_id), "c78 the same row, but for credential and source")
    kinds = ledgerdb.rows(LAB.ledger, "SELECT credential, source FROM request WHERE request_id = ?", (a["request_id"],))
    tap.equal(kinds, [("frontend", "frontend -")], "c78 which it says")
    shown = LAB.ctl("--json", "--tenant", "red", "cert", "show", a["sha1"], check=True).json()
    tap.equal((shown["serial"], shown["sha256"], shown["ent_dmid"]), (a["serial"], a["sha256"], a["ent_dmid"]), "c78 the ledger has what was answered")
    issuer = x509.load_der_x509_certificate(base64.b64decode(a["chain"][0]))
    tap.equal(issuer.subject, load(a).issuer, "c78 the chain begins with the issuer")
    tap.equal(load(a).fingerprint(hashes.SHA1()).hex(), a["sha1"], "c78 SHA-1")
    doc = a["certificate_store"]
    tap.ok(a["sha1"].upper() in doc and a["certificate"] in doc.replace("\n", "") and '"CertificateStore"' in doc and "PrivateKeyContainer" in doc,
           "c78 the CertificateStore document", doc[:300])
    tap.ok('"Root"' in doc and issuer.fingerprint(hashes.SHA1()).hex().upper() in doc, "c78 with its root")
    status, b = sign(type="device")
    tap.ok(status == 200 and b["enrollment_type"] == "Device" and '"System"' in b["certificate_store"].split('"My"')[1], "c78 a device's store is System", b)
    actor = ledgerdb.rows(LAB.ledger, "SELECT detail FROM audit WHERE event = 'control' AND detail LIKE '%sign%' ORDER BY seq DESC LIMIT 1")
    tap.ok(actor and "sha256:" in actor[0][0] and a["certificate"] not in actor[0][0], "c78 the audit row has the digest of the CSR", actor)


def c78_same_checks():
    """What the template refuses over SOAP it refuses here, with the rule, recorded."""
    device = mdm.device_id()
    weak = mdm.new_csr(device, key=ec.generate_private_key(ec.SECP384R1()))
    LAB.set_option(("templates", "device", "key-types"), "[rsa]")
    LAB.ctl("reload", check=True)
    status, a = sign(csr=weak)
    tap.ok(status in (403, 422) and a["error"]["reason"], "c78 a key that the template does not take", a)
    record = LAB.ctl("--json", "--tenant", "red", "request", "show", a["error"]["trace_id"])
    tap.ok(record.status == 0 and record.json()["state"] == "refused", "c78 recorded under the trace id of the answer", record)
    LAB.set_option(("templates", "device", "key-types"), None)
    LAB.set_option(("templates", "device", "allow"), '["*@lab.example"]')
    LAB.ctl("reload", check=True)
    status, a = sign(principal="eve@evil.example")
    tap.equal((status, a["error"]["reason"]), (403, "principal-not-allowed"), "c78 a principal that the template does not allow")
    csr = bytearray(mdm.new_csr(mdm.device_id()))
    csr[-1] ^= 1
    status, a = sign(csr=bytes(csr))
    tap.ok((status, a["error"]["reason"]) == (422, "csr-signature"), "c78 a CSR with a wrong signature", a)
    for change, reason in (({"csr": "AAAA"}, None), ({"type": "both"}, "sign-type"), ({"context": {"DeviceID": "X"}}, "sign-context"),
                           ({"context": {"a": 1}}, "sign-context"), ({"parameters": {"colour": "red"}}, None), ({"parameters": {"dns": ["bad name"]}}, None),
                           ({"endpoint": "mdm-policy"}, "sign-endpoint"), ({"tenant": "nobody"}, None), ({"nonsense": "x"}, "control-unknown-field")):
        status, a = curl("POST", "/v1/sign", {**body(), **change})
        tap.ok(status >= 400 and a["error"]["text"] and reason in (None, a["error"]["reason"]), f"c78 refused: {change}", a)


def c78_authoriser():
    """A template that asks an authoriser is not signed round it."""
    secrets = [os.path.join(LAB.etc, f"{n}.secret") for n in ("q", "a")]
    for i, s in enumerate(secrets):
        with open(os.open(s, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(str(i) * 32)
    for name, value in {"tenant": "red", "kind": "webhook", "url": "https://localhost:9/", "question-secret-file": secrets[0],
                        "answer-secret-file": secrets[1]}.items():
        LAB.set_option(("authorisers", "hook", name), value)
    LAB.set_option(("templates", "device", "authoriser"), "hook")
    tap.equal(LAB.ctl("reload").status, 0, "a template with an authoriser")
    n = LAB.signatures()
    status, a = sign()
    tap.equal((status, a["error"]["reason"]), (403, "authoriser-not-asked"), "a15 the signing API is no way round the authoriser")
    tap.equal(LAB.signatures(), n, "a15 nothing is signed")
    LAB.set_option(("templates", "device", "authoriser"), None)
    tap.equal(LAB.ctl("reload").status, 0, "and without")


def c78_repetition():
    """The answer that got lost: the same request has it again, with and without an Idempotency-Key."""
    one = body()
    first = curl("POST", "/v1/sign", one)[1]
    n = LAB.signatures()
    again = curl("POST", "/v1/sign", one)[1]
    tap.equal((again["serial"], again["replayed"], first["replayed"]), (first["serial"], True, False), "c79 the same bytes give the same certificate")
    named = body()
    first = curl("POST", "/v1/sign", named, ["Idempotency-Key: order-4711"])[1]
    again = curl("POST", "/v1/sign", {**named, "idempotency_key": "order-4711"})[1]
    tap.equal((again["serial"], again["replayed"]), (first["serial"], True), "c79 the same Idempotency-Key, too")
    status, a = curl("POST", "/v1/sign", body(), ["Idempotency-Key: order-4711"])
    tap.equal((status, a["error"]["reason"]), (409, "idempotency-key"), "c79 used for another request it is refused")
    status, a = curl("POST", "/v1/sign", {**named, "principal": "bob@lab.example"}, ["Idempotency-Key: order-4711"])
    tap.equal((status, a["error"]["reason"]), (409, "idempotency-key"), "c79 and for another principal")
    tap.equal(LAB.signatures(), n + 1, "c79 one signature for all of these")
    status, a = curl("POST", "/v1/sign", {**body(), "idempotency_key": "a"}, ["Idempotency-Key: b"])
    tap.equal((status, a["error"]["reason"]), (400, "control-repeated"), "c79 two keys are none")


def c78_batch():
    parts = [{k: v for k, v in body().items() if k != "tenant"} for _ in range(5)]
    parts[2]["csr"] = "AAAA"
    parts[3].pop("principal")
    status, a = curl("POST", "/v1/sign/batch", {"tenant": "red", "requests": parts})
    tap.equal((status, len(a["items"])), (200, 5), "c79 a batch has an answer for each part")
    tap.equal([("certificate" in i, "error" in i) for i in a["items"]], [(True, False), (True, False), (False, True), (False, True), (True, False)],
              "c79 in their order; one that is wrong harms no other")
    keys = [load(i).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            for i in a["items"] if "certificate" in i]
    asked = [x509.load_der_x509_csr(base64.b64decode(parts[i]["csr"])).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo) for i in (0, 1, 4)]
    tap.equal(keys, asked, "c79 each part has its own key's certificate")
    tap.ok(all(i["certificate_store"] for i in a["items"] if "certificate" in i), "c79 each with its document")
    for wrong in ([], [{}] * 33, {"a": 1}, [{**parts[0], "tenant": "blue"}], [{**parts[0], "idempotency_key": "x"}], ["x"]):
        status, a = curl("POST", "/v1/sign/batch", {"tenant": "red", "requests": wrong})
        tap.ok(status >= 400 or all("error" in i for i in a["items"]), f"c79 refused: {str(wrong)[:40]}", a)


def c78_renew():
    """By the CMS that the device signed; the frontend's word does not renew anything."""
    key = mdm.new_key()
    enrolled = curl("POST", "/v1/sign", body(csr=mdm.new_csr("x", key=key), device="RENEWING"))[1]
    LAB.ctl("--tenant", "red", "device", "allow-renewal", "RENEWING", check=True)
    cms = mdm.new_cms(mdm.new_csr("x"), der(enrolled), key)
    status, a = curl("POST", "/v1/renew", {"template": "device", "tenant": "red", "request": base64.b64encode(cms).decode()})
    tap.equal(status, 200, f"c78 renewed {a if status != 200 else ''}")
    if status != 200:
        return
    tap.equal((a["operation"], a["ent_dmid"], load(a).subject), ("renew", enrolled["ent_dmid"], load(enrolled).subject), "c78 the same device, the recorded names")
    tap.ok(a["serial"] != enrolled["serial"] and '"Root"' not in a["certificate_store"], "c78 another certificate, and no root that is there already")
    other = mdm.new_key()
    now = datetime.datetime.now(datetime.timezone.utc)
    looks_alike = x509.CertificateBuilder().subject_name(load(enrolled).subject).issuer_name(load(enrolled).issuer).public_key(other.public_key()) \
        .serial_number(load(enrolled).serial_number).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=90)) \
        .sign(other, hashes.SHA256())
    forged = mdm.new_cms(mdm.new_csr("x"), looks_alike.public_bytes(serialization.Encoding.DER), other)
    status, b = curl("POST", "/v1/renew", {"template": "device", "tenant": "red", "request": base64.b64encode(forged).decode()})
    tap.ok(status >= 400, "c78 not by another's signature", b)
    status, b = curl("POST", "/v1/renew", {"template": "device", "tenant": "red", "request": base64.b64encode(mdm.new_csr("x")).decode()})
    tap.ok(status >= 400, "c78 not by a bare CSR", b)


def c78_tokens():
    token = LAB.ctl("--json", "--tenant", "red", "token", "mint", USER, check=True).json()
    status, a = curl("POST", "/v1/tokens/check", {"tenant": "red", "token": token["token"]})
    tap.equal((status, a.get("id"), a.get("user")), (200, token["id"], USER), "c79 a token is checked without being used")
    status, a = curl("POST", "/v1/tokens/check", {"tenant": "blue", "token": token["token"]})
    tap.equal(status, 422, "c79 it is nothing at another tenant") or tap.diag(a)
    LAB.ctl("--tenant", "red", "token", "revoke", token["id"], check=True)
    status, a = curl("POST", "/v1/tokens/check", {"tenant": "red", "token": token["token"]})
    tap.ok(status == 422 and a["error"]["reason"].startswith("token-"), "c79 nor when it is revoked", a)
    tap.ok(token["token"] not in LAB.read_log(), "c79 its text is in no log")


def c78_issuer():
    status, a = curl("GET", "/v1/templates/device/issuer?tenant=red")
    ca = x509.load_der_x509_certificate(base64.b64decode(a["certificate"]))
    tap.equal((status, ca.fingerprint(hashes.SHA1()).hex()), (200, a["sha1"]), "c79 who signs a template")
    status, a = curl("GET", "/v1/templates/device/issuer?tenant=blue")
    tap.equal(status, 404, "c79 another tenant's template is not there") or tap.diag(a)


def c79_frontend():
    """Bound to tenant, templates, names and quotas."""
    if os.getuid() != 0:
        tap.skip("a frontend's bounds", "needs root to be somebody else")
        return
    LAB.set_option(("templates", "device", "allow"), '["*"]')
    LAB.set_option(("issuers", "lab", "dns-suffixes"), "[red.example, blue.example, example.evil]")
    LAB.set_option(("frontends", "red", "upn-suffixes"), "[lab.example]")
    LAB.set_option(("frontends", "red", "dns-suffixes"), "[red.example]")
    LAB.set_option(("templates", "device", "san"), '["dns:{dns}"]')
    LAB.ctl("reload", check=True)
    LAB.open_socket()
    number = iter(range(1000))

    def ask(principal=USER, template="device", tenant=None, **parameters):
        path = os.path.join(os.path.dirname(LAB.socket), f"f{next(number)}.csr")
        with open(path, "wb") as f:
            f.write(mdm.new_csr(mdm.device_id()))
        os.chmod(path, 0o644)
        return LAB.as_frontend("red", "sign", template, principal, mdm.device_id(), path, *(["--tenant", tenant] if tenant else []),
                               "--parameters", json.dumps(parameters or {"dns": ["pc.red.example"]}))

    r = ask(dns=["pc-7.red.example"])
    tap.equal(r.status, 0, "c79 a frontend signs") or tap.diag(r)
    if r.status == 0:
        san = load(r.json()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        tap.equal(san.get_values_for_type(x509.DNSName), ["pc-7.red.example"], "c79 a name that it gave, where the template puts it")
        attributes = ledgerdb.rows(LAB.ledger, "SELECT attributes FROM request WHERE request_id = ?", (r.json()["request_id"],))
        tap.ok(b"frontend" in bytes(attributes[0][0]) and b"red" in bytes(attributes[0][0]), "c79 the record says which frontend vouched")
    for words, what in (({"dns": ["pc.blue.example"]}, "another domain"), ({"dns": ["red.example.evil"]}, "a look-alike"),
                        ({"dns": ["pc.red.example"], "principal": "ceo@corp.example"}, "another domain's user")):
        r = ask(**words)
        tap.ok(r.status == 1 and '"frontend-names"' in r.out, f"c79 not {what}", r)
    r = ask(template="blue-device")
    tap.ok(r.status == 1 and "no such template" in r.out, "c79 not another tenant's template", r)
    LAB.set_option(("frontends", "red", "certificates-per-hour"), "1")
    LAB.ctl("reload", check=True)
    LAB.open_socket()
    results = [ask() for _ in range(3)]
    tap.ok(any('"frontend-quota"' in r.out for r in results), "c79 no more than its quota", [r.out[:200] for r in results])
    batch = json.dumps([{"template": "blue-device", "principal": USER, "device_id": "D", "csr": base64.b64encode(mdm.new_csr("x")).decode()}])
    r = LAB.as_frontend("red", "sign", "batch", batch)
    tap.ok(r.status == 0 and '"error"' in r.out and '"certificate"' not in r.out, "c79 a batch is no way round its binding", r)
    LAB.set_option(("templates", "device", "san"), None)
    LAB.ctl("reload", check=True)


def c79_drain():
    LAB.ctl("drain", check=True)
    status, a = sign()
    tap.equal((status, a["error"]["code"]), (503, "maintenance"), "c79 a drain holds for it, too")
    LAB.ctl("resume", check=True)
    tap.equal(sign()[0], 200, "c79 and ends")


def openapi():
    with open(os.path.join(DATA, "openapi-3.0.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    status, doc = curl("GET", "/v1/openapi")
    tap.equal(status, 200, "the OpenAPI document")
    errors = [f"{list(e.path)}: {e.message}" for e in jsonschema.Draft4Validator(schema).iter_errors(doc)]
    tap.equal(errors[:3], [], "is one, by the schema of OpenAPI 3.0")
    commands = {line.split("\t")[4] for line in LAB.ctl("--commands", check=True).out.splitlines()}
    operations = {o["operationId"] for path in doc["paths"].values() for o in path.values()}
    tap.equal(operations, commands, "and has every verb")
    asked = doc["paths"]["/v1/sign"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft4Validator(asked).validate(body(context={"a": "b"}))
    tap.ok(list(jsonschema.Draft4Validator(asked).iter_errors({"csr": "x"})), "its schema of a body knows what is missing")
    used = {p["name"] for p in doc["paths"]["/v1/certificates/{key}"]["get"]["parameters"]}
    tap.ok("key" in used, "path parameters are named")


def main():
    global LAB
    with TenantLab() as LAB:
        LAB.start()
        LAB.user("red")
        tap.run(c78_default_deny, c78_same_certificate, c78_same_checks, c78_authoriser, c78_repetition, c78_batch, c78_renew, c78_tokens,
                c78_issuer, c79_frontend, c79_drain, openapi)


if __name__ == "__main__":
    main()
