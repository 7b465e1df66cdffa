/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/p11.h"

#define ATTRIBUTE_MAX 4096

int p11_find(struct p11 *p, CK_ATTRIBUTE *match, CK_ULONG n_match, CK_OBJECT_HANDLE *out, CK_ULONG max,
             CK_ULONG *n, struct ks_error *error)
{
    CK_OBJECT_HANDLE batch[16];
    CK_ULONG got = 0;
    CK_RV rv = p->f->C_FindObjectsInit(p->session, match, n_match);

    *n = 0;
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_FindObjectsInit", rv);
    do {
        rv = p->f->C_FindObjects(p->session, batch, sizeof batch / sizeof *batch, &got);
        for (CK_ULONG i = 0; rv == CKR_OK && i < got; i++, ++*n)
            if (*n < max)
                out[*n] = batch[i];
    } while (rv == CKR_OK && got > 0);
    (void)p->f->C_FindObjectsFinal(p->session);
    return rv == CKR_OK ? 0 : ks_rv_fail(error, "C_FindObjects", rv);
}

/* "No such attribute" is an answer; whatever else goes wrong is an error. */
static bool is_absent(CK_RV rv, const CK_ATTRIBUTE *a)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
           (rv == CKR_OK && a->ulValueLen == CK_UNAVAILABLE_INFORMATION);
}

int p11_read(struct p11 *p, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct pke_buf *out,
             struct ks_error *error)
{
    CK_ATTRIBUTE a = {type, NULL, 0};
    CK_RV rv = p->f->C_GetAttributeValue(p->session, object, &a, 1);
    CK_ULONG size = a.ulValueLen;

    if (is_absent(rv, &a))
        return 0;
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetAttributeValue", rv);
    if (size > ATTRIBUTE_MAX || !(a.pValue = pke_buf_extend(out, size)))
        return ks_fail(error, KS_PERMANENT, "key-attribute-size", "PKCS#11 C_GetAttributeValue",
                       "an attribute of the key has %lu octets", size);
    rv = p->f->C_GetAttributeValue(p->session, object, &a, 1);
    if (rv != CKR_OK || a.ulValueLen > size) {
        out->n -= size;
        return ks_rv_fail(error, "C_GetAttributeValue", rv != CKR_OK ? rv : CKR_GENERAL_ERROR);
    }
    out->n -= size - a.ulValueLen;
    return 0;
}

int p11_read_fixed(struct p11 *p, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out, CK_ULONG size,
                   bool *present, struct ks_error *error)
{
    CK_ATTRIBUTE a = {type, out, size};
    CK_RV rv = p->f->C_GetAttributeValue(p->session, object, &a, 1);

    *present = false;
    if (is_absent(rv, &a))
        return 0;
    if (rv != CKR_OK)
        return ks_rv_fail(error, "C_GetAttributeValue", rv);
    *present = a.ulValueLen == size;
    return 0;
}
