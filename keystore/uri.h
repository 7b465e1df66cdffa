/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Private to keystore/: a PKCS#11 URI (RFC 7512) read by p11-kit, after our own stricter rules.
 */
#ifndef KEYSTORE_URI_H
#define KEYSTORE_URI_H

#include <p11-kit/uri.h>

#include "keystore/keystore.h"

struct ks_uri {
    P11KitUri *p11;
    struct pke_bytes label; /* CKA_LABEL, empty when the URI does not say. Borrowed from p11 */
    struct pke_bytes id;    /* CKA_ID, likewise */
};

/** Parse by the rules of ks_uri_check. On PKE_OK release with ks_uri_done. */
enum pke_err ks_uri_parse(const char *text, struct ks_uri *ret, struct pke_fail *fail);

/** Accepts a zeroed struct. */
void ks_uri_done(struct ks_uri *uri);

/** Is this the token that the URI names? */
bool ks_uri_match_token(const struct ks_uri *uri, const CK_TOKEN_INFO *info);

#endif
