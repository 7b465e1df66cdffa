/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/jws.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "jose/json.h"

/* Members that say where the key could be found; rules->pass_hints passes them over. */
#define HINTS   "jku", "x5c"
#define HINTS_N 2

struct parts {
    struct pke_bytes header, payload, signature; /* encoded */
    struct pke_bytes signed_part;                /* header '.' payload */
};

static enum pke_err refused(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, reason, rule, "%s", text);
}

/* Exactly two dots; which characters stand between them the decoder says. */
static bool split(struct pke_bytes token, struct parts *p)
{
    const uint8_t *end = token.p + token.n, *first, *second;

    first = token.n ? memchr(token.p, '.', token.n) : NULL;
    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return false;
    p->header = PKE_BYTES(token.p, (size_t)(first - token.p));
    p->payload = PKE_BYTES(first + 1, (size_t)(second - first - 1));
    p->signature = PKE_BYTES(second + 1, (size_t)(end - second - 1));
    p->signed_part = PKE_BYTES(token.p, (size_t)(second - token.p));
    return true;
}

/* RFC 8725 3.1, 3.10; RFC 7515 4.1.11: keys and addresses of keys inside a token, and whatever changes what
 * is signed. */
static enum pke_err check_members(const json_t *header, const struct jws_rules *rules, struct pke_fail *fail)
{
    static const char *const refuse[] = {HINTS, "jwk", "x5u", "crit", "zip", "enc", "b64"};

    for (size_t i = rules->pass_hints ? HINTS_N : 0; i < PKE_LEN(refuse); i++)
        if (json_object_get(header, refuse[i]))
            return pke_fail_set(fail, PKE_UNAUTHENTICATED, "jws-header-member", "RFC 8725 3.10",
                                "the header of the token has the member %s", refuse[i]);
    return PKE_OK;
}

static enum pke_err read_kid(const json_t *header, struct jws_facts *facts, struct pke_fail *fail)
{
    const json_t *kid = json_object_get(header, "kid");

    if (kid &&
        (!json_is_string(kid) || json_string_length(kid) == 0 || json_string_length(kid) > JOSE_KID_MAX))
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "jws-kid", "RFC 7515 4.1.4",
                            "the kid of the token is not a text of 1 to %d bytes", JOSE_KID_MAX);
    snprintf(facts->kid, sizeof facts->kid, "%s", kid ? json_string_value(kid) : "");
    return PKE_OK;
}

static enum pke_err read_type(const json_t *header, struct jws_facts *facts, struct pke_fail *fail)
{
    const json_t *typ = json_object_get(header, "typ");

    if (typ && json_string_length(typ) == 0)
        return refused(fail, "jws-type", "RFC 7515 4.1.9",
                       "the type of the token is not a text of some length");
    snprintf(facts->typ, sizeof facts->typ, "%s", typ ? json_string_value(typ) : "");
    return PKE_OK;
}

static enum pke_err read_header(struct pke_bytes encoded, const struct jws_rules *rules,
                                struct jws_facts *facts, struct pke_fail *fail)
{
    json_t *header PKE_CLEANUP(jose_json_free_p) = NULL;
    const char *why = "is not canonical base64url, or too long", *alg;
    struct pke_buf text;
    enum pke_err err;

    pke_buf_init(&text, rules->pass_hints ? JWS_HINTS_MAX : JWS_HEADER_MAX);
    if (!jose_base64url(encoded, &text))
        err = pke_fail_set(fail, PKE_UNAUTHENTICATED, "jws-base64", "RFC 7515 2",
                           "the header of the token %s", why);
    else if (!(header = jose_json_object(pke_buf_bytes(&text), &why)))
        err = pke_fail_set(fail, PKE_UNAUTHENTICATED, "jws-header", "RFC 7515 4",
                           "the header of the token %s", why);
    else
        err = check_members(header, rules, fail);
    pke_buf_done(&text);
    if (err == PKE_OK)
        err = read_type(header, facts, fail);
    if (err == PKE_OK)
        err = read_kid(header, facts, fail);
    if (err != PKE_OK)
        return err;
    alg = json_string_value(json_object_get(header, "alg"));
    if (!alg)
        return refused(fail, "jws-algorithm", "RFC 7515 4.1.1", "the token names no algorithm");
    snprintf(facts->alg, sizeof facts->alg, "%s", alg);
    if (strlen(alg) >= sizeof facts->alg)
        return refused(fail, "jws-algorithm", "RFC 8725 3.1", "the token names an unknown algorithm");
    return PKE_OK;
}

/* The kid is compared with the kids of the set and used for nothing else. */
static enum pke_err select_key(const struct jose_keys *keys, const struct jws_rules *rules,
                               const struct jws_facts *facts, const struct jose_key **ret,
                               struct pke_fail *fail)
{
    *ret = NULL;
    if (*facts->kid)
        *ret = jose_keys_find(keys, facts->kid);
    else if (!rules->allow_no_kid || jose_keys_count(keys) != 1)
        return refused(fail, "jws-kid-missing", "RFC 7515 4.1.4",
                       "the token does not say which key signed it");
    else
        *ret = jose_keys_at(keys, 0);
    if (!*ret)
        return refused(fail, "jws-key-unknown", "RFC 7515 4.1.4",
                       "no key of the token issuer has the token's kid");
    if (strcmp(facts->alg, jose_alg_name((*ret)->alg)) != 0)
        return refused(fail, "jws-algorithm", "RFC 8725 3.1", "the token's algorithm is not that of its key");
    return PKE_OK;
}

/* RFC 8725 3.11; RFC 7515 4.1.9: in any letter case, with or without "application/". After the key was found:
 * for whom does not have it the token is not meant, whatever its type. */
static enum pke_err check_type(const struct jws_facts *facts, const char *wanted, struct pke_fail *fail)
{
    static const char media[] = "application/";
    const char *got = facts->typ;

    if (!*got && !wanted)
        return PKE_OK;
    wanted = wanted ? wanted : "JWT";
    if (strncasecmp(got, media, strlen(media)) == 0)
        got += strlen(media);
    if (strcasecmp(got, wanted) == 0)
        return PKE_OK;
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "jws-type", "RFC 8725 3.11",
                        "the token is not of the type %s", wanted);
}

static enum pke_err verify(const struct parts *p, const struct jose_key *key, struct pke_fail *fail)
{
    struct pke_buf signature;
    enum pke_err err = PKE_OK;

    pke_buf_init(&signature, JWS_MAX);
    if (!jose_base64url(p->signature, &signature))
        err = refused(fail, "jws-base64", "RFC 7515 2",
                      "the signature of the token is not canonical base64url");
    else if (!jose_key_verify(key, p->signed_part, pke_buf_bytes(&signature)))
        err = refused(fail, "jws-signature", "RFC 7515 5.2", "the signature of the token is wrong");
    pke_buf_done(&signature);
    return err;
}

enum pke_err jws_verify(struct pke_bytes token, const struct jose_keys *keys, const struct jws_rules *rules,
                        struct pke_buf *payload, struct jws_facts *facts, struct pke_fail *fail)
{
    const struct jose_key *key;
    size_t start = payload->n;
    struct parts p;
    enum pke_err err;

    *facts = (struct jws_facts){.key = NULL};
    if (token.n > (rules->max ? rules->max : JWS_MAX))
        return refused(fail, "jws-size", "limits: token", "the token is too large");
    if (!split(token, &p))
        return refused(fail, "jws-form", "RFC 7515 7.1", "the token is not three parts");
    err = read_header(p.header, rules, facts, fail);
    if (err == PKE_OK)
        err = select_key(keys, rules, facts, &key, fail);
    if (err == PKE_OK)
        err = check_type(facts, rules->type, fail);
    if (err == PKE_OK && !jose_base64url(p.payload, payload))
        err =
            refused(fail, "jws-base64", "RFC 7515 2", "the payload of the token is not canonical base64url");
    if (err == PKE_OK)
        err = verify(&p, key, fail);
    if (err == PKE_OK)
        facts->key = key;
    else
        payload->n = start;
    return err;
}
