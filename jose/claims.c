/* SPDX-License-Identifier: Apache-2.0 */
#include "jose/claims.h"

#include <string.h>

#include "jose/json.h"

#define AUDIENCES_MAX 32
#define TIME_MAX      253402300799 /* 9999-12-31: sums stay far from overflow */

static enum pke_err refused(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, reason, rule, "%s", text);
}

enum pke_err claims_read(struct pke_bytes payload, json_t **ret, struct pke_fail *fail)
{
    const char *why = "";

    *ret = jose_json_object(payload, &why);
    if (*ret)
        return PKE_OK;
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "claims-json", "RFC 7519 4", "the payload of the token %s",
                        why);
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

enum pke_err claims_text(const json_t *claims, const char *name, const char **ret, struct pke_fail *fail)
{
    const json_t *value = json_object_get(claims, name);

    *ret = json_string_value(value);
    if (!value)
        return PKE_OK;
    if (*ret && **ret && json_string_length(value) <= CLAIMS_TEXT_MAX && !has_control(*ret))
        return PKE_OK;
    *ret = NULL;
    return pke_fail_set(fail, PKE_UNAUTHENTICATED, "claims-type", "RFC 7519 4",
                        "the claim %s is not a text of 1 to %d bytes", name, CLAIMS_TEXT_MAX);
}

static enum pke_err check_issuer(const json_t *claims, const struct pke_strings *issuers,
                                 struct pke_fail *fail)
{
    const char *iss;
    enum pke_err err = claims_text(claims, "iss", &iss, fail);

    if (err == PKE_OK && (!iss || !pke_strings_has(issuers, iss)))
        return refused(fail, "claims-iss", "RFC 7519 4.1.1", "the token is from another issuer");
    return err;
}

/* RFC 7519 4.1.3: one text or a list of texts; one of them must be ours. */
static enum pke_err check_audience(const json_t *claims, const struct pke_strings *audiences,
                                   struct pke_fail *fail)
{
    const json_t *aud = json_object_get(claims, "aud"), *item;
    bool found = false, texts = true;
    size_t i;

    if (json_is_string(aud))
        found = pke_strings_has(audiences, json_string_value(aud));
    else if (aud && (!json_is_array(aud) || json_array_size(aud) > AUDIENCES_MAX))
        texts = false;
    json_array_foreach(aud, i, item)
    {
        texts = texts && json_is_string(item);
        found = found || (texts && pke_strings_has(audiences, json_string_value(item)));
    }
    if (!texts)
        return refused(fail, "claims-type", "RFC 7519 4.1.3",
                       "the claim aud is neither a text nor a list of at most 32 texts");
    return found ? PKE_OK : refused(fail, "claims-aud", "RFC 7519 4.1.3", "the token is for somebody else");
}

/* *ret is -1 when there is none. */
static enum pke_err read_time(const json_t *claims, const char *name, int64_t *ret, struct pke_fail *fail)
{
    const json_t *value = json_object_get(claims, name);

    *ret = -1;
    if (!value)
        return PKE_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > TIME_MAX)
        return pke_fail_set(fail, PKE_UNAUTHENTICATED, "claims-type", "RFC 7519 2 NumericDate",
                            "the claim %s is not a whole number of seconds", name);
    *ret = json_integer_value(value);
    return PKE_OK;
}

static enum pke_err check_times(int64_t exp, int64_t nbf, int64_t iat, const struct claims_rules *rules,
                                int64_t now, struct pke_fail *fail)
{
    if (exp < 0)
        return refused(fail, "claims-exp", "RFC 7519 4.1.4", "the token does not say when it expires");
    if (now >= exp + rules->leeway)
        return refused(fail, "claims-expired", "RFC 7519 4.1.4", "the token has expired");
    if (nbf > now + rules->leeway)
        return refused(fail, "claims-nbf", "RFC 7519 4.1.5", "the token is not valid yet");
    if (iat > now + rules->leeway)
        return refused(fail, "claims-iat", "RFC 7519 4.1.6", "the token was made in the future");
    if (exp - now > rules->max_lifetime + rules->leeway || (iat >= 0 && exp - iat > rules->max_lifetime))
        return refused(fail, "claims-lifetime", "max-lifetime", "the token lives longer than it may");
    return PKE_OK;
}

enum pke_err claims_check(const json_t *claims, const struct claims_rules *rules, int64_t now,
                          struct claims_times *ret, struct pke_fail *fail)
{
    int64_t exp = -1, nbf = -1, iat = -1;
    enum pke_err err = rules->issuers ? check_issuer(claims, rules->issuers, fail) : PKE_OK;

    if (err == PKE_OK)
        err = check_audience(claims, rules->audiences, fail);
    if (err == PKE_OK)
        err = read_time(claims, "exp", &exp, fail);
    if (err == PKE_OK)
        err = read_time(claims, "nbf", &nbf, fail);
    if (err == PKE_OK)
        err = read_time(claims, "iat", &iat, fail);
    if (err == PKE_OK)
        err = check_times(exp, nbf, iat, rules, now, fail);
    ret->expires = exp;
    return err;
}
