/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulation answers. The certificate is told in fields, read from the bytes that would be signed. */
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "ca/names.h"
#include "ca/tbs.h"
#include "daemon/issuer/simulate.h"

#define TEXT_MAX 4096

static json_t *string(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *time_json(int64_t seconds)
{
    char text[PKE_RFC3339_SIZE];

    pke_time_rfc3339(seconds, text);
    return json_string(text);
}

static json_t *names_json(const struct pke_pairs *names)
{
    json_t *array = json_array();

    for (size_t i = 0; i < names->n; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:s}", "kind", names->v[i].name, "value", names->v[i].value));
    return array;
}

/* OpenSSL's words for an extension that it knows, in one line; NULL: it knows nothing of it. */
static json_t *extension_text(const struct ca_tbs_extension *e, ASN1_OBJECT *object)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    char text[TEXT_MAX];
    json_t *ret = NULL;
    int n = 0;

    if (!value || !out || ASN1_OCTET_STRING_set(value, e->value.p, (int)e->value.n) != 1)
        pke_oom();
    ext = X509_EXTENSION_create_by_OBJ(NULL, object, e->critical, value);
    if (ext && X509V3_EXT_print(out, ext, X509V3_EXT_DEFAULT, 0) == 1)
        n = BIO_read(out, text, sizeof text - 1);
    for (int i = 0; i < n; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (n > 0)
        ret = json_stringn(text, (size_t)n); /* NULL where it is no UTF-8 */
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    BIO_free(out);
    return ret ? ret : json_null();
}

/* What OpenSSL has no name for. */
static const char *name_of(const char *oid)
{
    static const struct {
        const char *oid, *name;
    } more[] = {{"1.3.6.1.4.1.311.21.10", "Application Policies"},
                {"1.3.6.1.4.1.311.20.2", "Certificate Template Name"},
                {"1.3.6.1.4.1.311.21.7", "Certificate Template"},
                {"1.3.6.1.4.1.311.25.2", "Security Identifier"}};
    int nid = OBJ_txt2nid(oid);

    for (size_t i = 0; i < PKE_LEN(more); i++)
        if (strcmp(more[i].oid, oid) == 0)
            return more[i].name;
    return nid == NID_undef ? NULL : OBJ_nid2ln(nid);
}

static json_t *extension_json(const struct ca_tbs_extension *e)
{
    ASN1_OBJECT *object = OBJ_txt2obj(e->oid, 1);
    struct pke_buf hex;
    json_t *ret;

    pke_buf_init(&hex, 2 * CA_TBS_MAX + 1);
    if (pke_buf_extend(&hex, 2 * e->value.n + 1))
        pke_hex(e->value, false, (char *)hex.p);
    ret = json_pack("{s:s, s:o, s:b, s:o, s:s}", "oid", e->oid, "name", string(name_of(e->oid)), "critical",
                    e->critical, "text", object ? extension_text(e, object) : json_null(), "value",
                    hex.p ? (const char *)hex.p : "");
    pke_buf_done(&hex);
    ASN1_OBJECT_free(object);
    return ret;
}

static json_t *certificate_json(const struct request *req, bool new_ent_dmid)
{
    struct ca_names names = {0};
    json_t *o = json_object(), *extensions = json_array(), *examples = json_array();
    struct pke_fail fail;
    struct ca_tbs tbs;

    if (ca_tbs_decode(req->tbs, &tbs, &fail) != PKE_OK ||
        ca_names_decode(&tbs, req->arena, &names, &fail) != PKE_OK)
        pke_oom(); /* lint has read both */
    json_object_set_new(o, "subject", names_json(&names.subject));
    json_object_set_new(o, "san", names_json(&names.san));
    json_object_set_new(o, "sid", string(names.sid));
    json_object_set_new(o, "issuer", string(ca_issuer_subject_text(req->tmpl->ca->ca)));
    json_object_set_new(o, "not_before", time_json(tbs.not_before));
    json_object_set_new(o, "not_after", time_json(tbs.not_after));
    json_object_set_new(o, "serial", string(req->serial_hex));
    json_object_set_new(o, "ent_dmid", string(req->ent_dmid));
    json_array_append_new(examples, json_string("serial"));
    if (new_ent_dmid)
        json_array_append_new(examples, json_string("ent_dmid"));
    json_object_set_new(o, "examples", examples);
    for (size_t i = 0; i < tbs.n_ext; i++)
        json_array_append_new(extensions, extension_json(&tbs.ext[i]));
    json_object_set_new(o, "extensions", extensions);
    return o;
}

static const char *result_of(const struct request *req)
{
    switch (req->fail.err) {
    case PKE_OK:
        return "issue";
    case PKE_PENDING: /* for an operator */
        return "wait";
    case PKE_KEY_DOWN:
    case PKE_MAINTENANCE:
        return req->tbs.n ? "wait" : "refuse";
    default:
        return "refuse";
    }
}

static json_t *error_json(const struct pke_fail *f)
{
    if (f->err == PKE_OK)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:s}", "code", pke_err_token(f->err), "reason", f->reason, "rule",
                     f->rule, "text", f->text);
}

json_t *simulate_json(const struct request *req, bool new_ent_dmid)
{
    bool whole = req->tbs.n && strcmp(result_of(req), "refuse") != 0;
    json_t *o = json_object();

    json_object_set_new(o, "result", string(result_of(req)));
    json_object_set_new(o, "error", error_json(&req->fail));
    json_object_set_new(o, "operation", string(req->msg.operation));
    json_object_set_new(o, "endpoint", string(req->msg.endpoint));
    json_object_set_new(o, "template", string(req->tmpl ? req->tmpl->policy->name : NULL));
    json_object_set_new(o, "issuer", string(req->tmpl ? req->tmpl->ca->conf->name : NULL));
    json_object_set_new(o, "principal", string(req->who.principal));
    json_object_set_new(o, "device_id", string(req->device_id));
    json_object_set_new(o, "enrollment_type", string(req->enrollment_type));
    json_object_set_new(o, "certificate", whole ? certificate_json(req, new_ent_dmid) : json_null());
    json_object_set_new(o, "explanation", explain_json(&req->trail));
    return o;
}
