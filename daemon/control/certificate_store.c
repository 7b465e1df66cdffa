/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control/certificate_store.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "proto/provdoc.h"

#define CERTIFICATE_MAX (16u << 10)
#define DOCUMENT_MAX    (128u << 10)

/* One certificate of the answer, with its thumbprint. */
struct node {
    struct pke_buf der;
    char sha1[41];
};

static struct provdoc_certificate node_read(struct node *n, const json_t *base64)
{
    const char *text = json_string_value(base64);
    uint8_t hash[20];

    pke_buf_init(&n->der, CERTIFICATE_MAX);
    if (!text || pke_base64_decode(pke_bytes_str(text), PKE_B64_STRICT, &n->der) != PKE_OK || n->der.n == 0)
        return (struct provdoc_certificate){0};
    if (EVP_Digest(n->der.p, n->der.n, hash, NULL, EVP_sha1(), NULL) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, sizeof hash), true, n->sha1);
    return (struct provdoc_certificate){.der = pke_buf_bytes(&n->der), .sha1_hex = n->sha1};
}

static void node_done(struct node *n)
{
    pke_buf_done(&n->der);
}

static json_t *document(const json_t *part)
{
    PKE_CLEANUP(node_done) struct node leaf = {0}, issuer = {0}, root = {0};
    PKE_CLEANUP(pke_buf_done) struct pke_buf out = {0};
    const json_t *chain = json_object_get(part, "chain");
    const char *type = json_string_value(json_object_get(part, "enrollment_type"));
    size_t n = json_array_size(chain);
    struct provdoc doc = {.renewal = true, /* of the whole document only the stores */
                          .with_ca = json_is_true(json_object_get(part, "with_ca")),
                          .device_store = type && strcmp(type, "Device") == 0,
                          .provider_id = json_string_value(json_object_get(part, "provider_id"))};
    struct pke_fail fail;

    if (n == 0)
        return json_null();
    doc.certificate = node_read(&leaf, json_object_get(part, "certificate"));
    doc.root = node_read(&root, json_array_get(chain, n - 1));
    if (n > 1)
        doc.intermediate = node_read(&issuer, json_array_get(chain, 0));
    pke_buf_init(&out, DOCUMENT_MAX);
    if (provdoc_write(&doc, &out, &fail) != PKE_OK)
        return json_null();
    return json_stringn((const char *)out.p, out.n);
}

static void add_one(json_t *part)
{
    if (json_is_string(json_object_get(part, "certificate")))
        json_object_set_new(part, "certificate_store", document(part));
}

void certificate_store_add(json_t *answer)
{
    json_t *items = json_object_get(answer, "items");

    for (size_t i = 0; i < json_array_size(items); i++)
        add_one(json_array_get(items, i));
    if (!items)
        add_one(answer);
}
