/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libxmlsec1 sees only what shape.c let through, and is limited to the same list once more. It is given the
 * key, so that it does not read KeyInfo, and has no way to open anything: its I/O callbacks are gone,
 * libxml2's loader always fails, and the only reference that is enabled is the empty one.
 */
#include "xmlsig/dsig.h"

#include <libxml/parser.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/openssl/evp.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

#include "base/mem.h"

/* Attackers choose what would be printed; the caller says what is wrong. */
static void ignore_error(const char *file, int line, const char *func, const char *object,
                         const char *subject, int reason, const char *msg)
{
    (void)file;
    (void)line;
    (void)func;
    (void)object;
    (void)subject;
    (void)reason;
    (void)msg;
}

void xmlsig_dsig_init(void)
{
    static bool done;

    if (done)
        return;
    xml_global_init();
    if (xmlSecInit() != 0 || xmlSecOpenSSLInit() != 0)
        abort(); /* libxmlsec1 without its own tables: nothing can be verified */
    xmlSecIOCleanupCallbacks();
    xmlSecErrorsSetCallback(ignore_error);
    done = true;
}

static void enable(int result)
{
    if (result < 0)
        pke_oom();
}

static void limit(xmlSecDSigCtxPtr ctx)
{
    const xmlSecTransformId both[] = {xmlSecTransformInclC14NId, xmlSecTransformExclC14NId};
    const xmlSecTransformId signatures[] = {
        xmlSecOpenSSLTransformRsaSha256Id, xmlSecOpenSSLTransformRsaSha384Id,
        xmlSecOpenSSLTransformRsaSha512Id, xmlSecOpenSSLTransformEcdsaSha256Id,
        xmlSecOpenSSLTransformEcdsaSha384Id};
    const xmlSecTransformId references[] = {xmlSecTransformEnvelopedId, xmlSecOpenSSLTransformSha256Id,
                                            xmlSecOpenSSLTransformSha384Id, xmlSecOpenSSLTransformSha512Id};

    ctx->enabledReferenceUris = xmlSecTransformUriTypeEmpty;
    for (size_t i = 0; i < PKE_LEN(both); i++) {
        enable(xmlSecDSigCtxEnableSignatureTransform(ctx, both[i]));
        enable(xmlSecDSigCtxEnableReferenceTransform(ctx, both[i]));
    }
    for (size_t i = 0; i < PKE_LEN(signatures); i++)
        enable(xmlSecDSigCtxEnableSignatureTransform(ctx, signatures[i]));
    for (size_t i = 0; i < PKE_LEN(references); i++)
        enable(xmlSecDSigCtxEnableReferenceTransform(ctx, references[i]));
    /* a list that is not empty is all there is: no X509Data, RetrievalMethod and the like */
    enable(xmlSecPtrListAdd(&ctx->keyInfoReadCtx.enabledKeyData, (xmlSecPtr)xmlSecKeyDataNameId));
}

static xmlSecKeyPtr take_key(EVP_PKEY *key)
{
    xmlSecKeyPtr ret = xmlSecKeyCreate();
    xmlSecKeyDataPtr data;

    if (!ret || !EVP_PKEY_up_ref(key))
        pke_oom();
    data = xmlSecOpenSSLEvpKeyAdopt(key);
    if (!data) {
        EVP_PKEY_free(key);
        xmlSecKeyDestroy(ret);
        return NULL;
    }
    if (xmlSecKeySetValue(ret, data) < 0)
        pke_oom();
    return ret;
}

/* The canonical form that was digested: something, and its digest is the one that was read. */
static bool digested(xmlSecDSigReferenceCtxPtr ref, const struct xmlsig_shape *shape)
{
    xmlSecBufferPtr canonical = xmlSecDSigReferenceCtxGetPreDigestBuffer(ref);
    uint8_t hash[EVP_MAX_MD_SIZE];
    size_t n = 0;

    return canonical && xmlSecBufferGetSize(canonical) > 0 &&
           EVP_Q_digest(NULL, shape->digest_name, NULL, xmlSecBufferGetData(canonical),
                        xmlSecBufferGetSize(canonical), hash, &n) == 1 &&
           pke_bytes_eq(PKE_BYTES(hash, n), shape->digest);
}

/* "Verified" has to mean: one reference, and it is to everything. */
static bool covered_all(xmlSecDSigCtxPtr ctx, const struct xmlsig_shape *shape)
{
    xmlSecDSigReferenceCtxPtr ref;

    if (ctx->status != xmlSecDSigStatusSucceeded || xmlSecPtrListGetSize(&ctx->signedInfoReferences) != 1 ||
        xmlSecPtrListGetSize(&ctx->manifestReferences) != 0)
        return false;
    ref = xmlSecPtrListGetItem(&ctx->signedInfoReferences, 0);
    return ref && ref->status == xmlSecDSigStatusSucceeded && ref->uri && !*ref->uri && digested(ref, shape);
}

/* By position, as proto/ read it. */
static xmlNodePtr find_signature(xmlDocPtr doc)
{
    static const char *const path[] = {"Header", "Security"};
    xmlNodePtr n = xmlDocGetRootElement(doc), found;

    for (size_t i = 0; n && i < PKE_LEN(path); i++) {
        n = xmlFirstElementChild(n);
        while (n && strcmp((const char *)n->name, path[i]) != 0)
            n = xmlNextElementSibling(n);
    }
    found = n ? xmlSecFindChild(n, xmlSecNodeSignature, xmlSecDSigNs) : NULL;
    return found && found == xmlSecFindNode(xmlDocGetRootElement(doc), xmlSecNodeSignature, xmlSecDSigNs)
               ? found
               : NULL;
}

static bool verifies(xmlDocPtr doc, const struct xmlsig_shape *shape, EVP_PKEY *key)
{
    xmlNodePtr signature = find_signature(doc);
    xmlSecDSigCtxPtr ctx;
    bool ok;

    if (!signature)
        return false;
    ctx = xmlSecDSigCtxCreate(NULL);
    if (!ctx)
        pke_oom();
    limit(ctx);
    ctx->flags = XMLSEC_DSIG_FLAGS_STORE_SIGNEDINFO_REFERENCES;
    ctx->signKey = take_key(key);
    ok = ctx->signKey && xmlSecDSigCtxVerify(ctx, signature) == 0 && covered_all(ctx, shape);
    xmlSecDSigCtxDestroy(ctx);
    return ok;
}

enum pke_err xmlsig_dsig_check(struct pke_bytes document, const struct xmlsig_shape *shape, EVP_PKEY *key,
                               struct pke_fail *fail)
{
    xmlDocPtr doc = xmlReadMemory((const char *)document.p, (int)document.n, NULL, "UTF-8",
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    bool ok = doc && verifies(doc, shape, key);

    xmlFreeDoc(doc);
    ERR_clear_error();
    if (ok)
        return PKE_OK;
    return pke_fail_set(fail, PKE_INVALID_SECURITY, "sig-invalid", "XML-DSig 3.2",
                        "The signature does not verify over this request");
}
