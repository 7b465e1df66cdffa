/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/uri.h"

#include <string.h>

#include "base/mem.h"
#include "keystore/tpm.h"

/* p11-kit is lax: it takes duplicates (the last wins), unknown attributes, a bare "pkcs11:" (which matches
 * anything), any case of the scheme, white space anywhere. Here a CA key is named, so every attribute must be
 * meant. */

static const char *const allowed[] = {"token", "serial", "manufacturer", "model", "object", "id", "type"};

#define RULE_PATH  "RFC 7512 2.3"
#define RULE_QUERY "RFC 7512 2.4"

static enum pke_err refuse(struct pke_fail *fail, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_CONFIG, "key-uri", rule, "%s", text);
}

/* pk11-pchar without the separators: unreserved, pct-encoded, pk11-res-avail and '&'. */
static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~%:[]@!$'()*+,=&", c));
}

static int allowed_index(const char *name, size_t n)
{
    for (size_t i = 0; i < PKE_LEN(allowed); i++)
        if (strlen(allowed[i]) == n && memcmp(allowed[i], name, n) == 0)
            return (int)i;
    return -1;
}

/* One "name=value"; its bit goes into *seen. */
static enum pke_err scan_attribute(const char *at, size_t n, unsigned *seen, struct pke_fail *fail)
{
    const char *equals = memchr(at, '=', n);
    size_t name_n = equals ? (size_t)(equals - at) : n;
    int index = allowed_index(at, name_n);

    for (size_t i = 0; i < n; i++)
        if (!path_char(at[i]))
            return refuse(fail, RULE_PATH, "the URI has a character that must be percent-encoded");
    if (name_n == 7 && memcmp(at, "slot-id", 7) == 0)
        return refuse(fail, RULE_PATH,
                      "slot-id changes when a token is initialised, name the token by label or serial");
    if (index < 0)
        return pke_fail_set(fail, PKE_CONFIG, "key-uri", RULE_PATH, "unknown attribute \"%.*s\" in the URI",
                            (int)(name_n > 40 ? 40 : name_n), at);
    if (!equals || name_n + 1 == n)
        return pke_fail_set(fail, PKE_CONFIG, "key-uri", RULE_PATH,
                            "attribute \"%s\" of the URI has no value", allowed[index]);
    if (*seen & 1u << index)
        return pke_fail_set(fail, PKE_CONFIG, "key-uri", RULE_PATH,
                            "attribute \"%s\" of the URI is given twice", allowed[index]);
    *seen |= 1u << index;
    /* Text attributes end at a NUL inside p11-kit: the rest would be ignored. CKA_ID is binary. */
    if (strcmp(allowed[index], "id") != 0)
        for (size_t i = 0; i + 2 < n; i++)
            if (memcmp(at + i, "%00", 3) == 0)
                return refuse(fail, RULE_PATH, "the URI has a NUL in a text attribute");
    return PKE_OK;
}

static enum pke_err scan_query(const char *query, struct pke_fail *fail)
{
    if (strstr(query, "pin-value"))
        return refuse(fail, RULE_QUERY,
                      "pin-value would put the PIN into the configuration, use a credential or a file");
    if (strstr(query, "pin-source"))
        return refuse(fail, RULE_QUERY,
                      "pin-source is not used, name the credential or the PIN file as its own option");
    if (strstr(query, "module-"))
        return refuse(fail, RULE_QUERY, "the module is an option of its own and never part of the URI");
    return refuse(fail, RULE_QUERY, "the URI has a query part, no query attribute is accepted");
}

static enum pke_err scan(const char *text, struct pke_fail *fail)
{
    const char *at = text;
    unsigned seen = 0;
    bool token, object;
    enum pke_err err;

    if (strncmp(text, "pkcs11:", 7) != 0)
        return refuse(fail, RULE_PATH, "a key URI starts with \"pkcs11:\"");
    at += 7;
    if (strchr(at, '?'))
        return scan_query(strchr(at, '?') + 1, fail);
    for (size_t n; *at; at += n + (at[n] == ';')) {
        n = strcspn(at, ";");
        if (n == 0 || (at[n] == ';' && at[n + 1] == '\0'))
            return refuse(fail, RULE_PATH, "the URI has an empty attribute");
        err = scan_attribute(at, n, &seen, fail);
        if (err != PKE_OK)
            return err;
    }
    token = seen & (1u << allowed_index("token", 5) | 1u << allowed_index("serial", 6));
    object = seen & (1u << allowed_index("object", 6) | 1u << allowed_index("id", 2));
    if (!token)
        return refuse(fail, RULE_PATH, "the URI must name the token (token= or serial=)");
    if (!object)
        return refuse(fail, RULE_PATH, "the URI must name the key (object= or id=)");
    return PKE_OK;
}

static struct pke_bytes attribute(P11KitUri *uri, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(uri, type);

    return a ? PKE_BYTES(a->pValue, a->ulValueLen) : PKE_BYTES(NULL, 0);
}

enum pke_err ks_uri_parse(const char *text, struct ks_uri *ret, struct pke_fail *fail)
{
    P11KitUri *uri;
    const CK_ATTRIBUTE *class;
    enum pke_err err = scan(text, fail);
    int rc;

    *ret = (struct ks_uri){0};
    if (err != PKE_OK)
        return err;
    uri = p11_kit_uri_new();
    if (!uri)
        pke_oom();
    rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE, uri);
    class = rc == P11_KIT_URI_OK ? p11_kit_uri_get_attribute(uri, CKA_CLASS) : NULL;
    if (rc != P11_KIT_URI_OK)
        err = pke_fail_set(fail, PKE_CONFIG, "key-uri", RULE_PATH, "the URI cannot be read: %s",
                           rc == P11_KIT_URI_BAD_ENCODING ? "bad percent-encoding" : "bad syntax");
    else if (p11_kit_uri_any_unrecognized(uri))
        err = refuse(fail, RULE_PATH, "the URI has a value that is too long or unknown");
    else if (class && *(const CK_OBJECT_CLASS *)class->pValue != CKO_PRIVATE_KEY)
        err = refuse(fail, RULE_PATH, "type= must be \"private\" or absent");
    if (err != PKE_OK) {
        p11_kit_uri_free(uri);
        return err;
    }
    ret->p11 = uri;
    ret->label = attribute(uri, CKA_LABEL);
    ret->id = attribute(uri, CKA_ID);
    return PKE_OK;
}

void ks_uri_done(struct ks_uri *uri)
{
    p11_kit_uri_free(uri->p11);
    *uri = (struct ks_uri){0};
}

bool ks_uri_match_token(const struct ks_uri *uri, const CK_TOKEN_INFO *info)
{
    return p11_kit_uri_match_token_info(uri->p11, info) == 1;
}

enum pke_err ks_uri_check(const char *uri, struct pke_fail *fail)
{
    struct ks_uri parsed;
    struct tpm_uri tpm;
    enum pke_err err;

    if (strncmp(uri, "tpm2:", 5) == 0)
        return tpm_uri_parse(uri, &tpm, fail);
    err = ks_uri_parse(uri, &parsed, fail);
    ks_uri_done(&parsed);
    return err;
}
