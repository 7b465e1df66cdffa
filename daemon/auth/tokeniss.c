/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/tokeniss.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "daemon/common/log.h"
#include "jose/claims.h"
#include "jose/jws.h"

#define UNKNOWN_LOG_MS  60000 /* in which */
#define UNKNOWN_LOG_MAX 10    /* events tell of unknown keys of one issuer */
#define TID             "{tid}"
#define TENANTID        "{tenantid}" /* the same in the key sets of Microsoft */

static void claims_free(json_t *j)
{
    json_decref(j);
}
PKE_DEFINE_CLEANUP(json_t, claims_free);

bool token_guid_listed(const struct pke_strings *list, const char *guid)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcasecmp(list->v[i], guid) == 0)
            return true;
    return false;
}

static bool template_matches(const char *template, const char *iss, const char *tid)
{
    const char *at = strstr(template, TID);
    size_t head = at ? (size_t)(at - template) : 0, n = strlen(tid);

    return at && strncmp(iss, template, head) == 0 && strncmp(iss + head, tid, n) == 0 &&
           strcmp(iss + head + n, at + strlen(TID)) == 0;
}

bool token_iss_matches(const struct conf_token_issuer *conf, const char *iss, const char *tid)
{
    if (conf->kind == CONF_TOKENS_CUSTOM)
        return pke_strings_has(&conf->issuer, iss);
    for (size_t i = 0; i < conf->issuer.n; i++)
        if (template_matches(conf->issuer.v[i], iss, tid))
            return true;
    return false;
}

static bool issuer_is_of(const struct conf_token_issuer *conf, const char *issuer, const char *tid,
                         struct pke_arena *arena)
{
    static const char *const forms[] = {"https://sts.windows.net/{tid}/",
                                        "https://login.microsoftonline.com/{tid}/v2.0"};
    const char *at = strstr(issuer, TENANTID);

    if (at)
        issuer = pke_arena_printf(arena, "%.*s%s%s", (int)(at - issuer), issuer, tid, at + strlen(TENANTID));
    for (size_t i = 0; i < PKE_LEN(forms); i++)
        if (template_matches(forms[i], issuer, tid))
            return true;
    return token_iss_matches(conf, issuer, tid);
}

bool token_key_matches(const struct conf_token_issuer *conf, const struct jose_key *key, const char *tid,
                       struct pke_arena *arena)
{
    for (; key; key = key->also)
        if (!key->issuer || issuer_is_of(conf, key->issuer, tid, arena))
            return true;
    return false;
}

/* The claims as they stand there, without a look at the signature; NULL: there are none. */
static json_t *unverified(struct pke_bytes token)
{
    const uint8_t *end = token.p + token.n, *first, *second;
    json_t *claims = NULL;
    struct pke_buf text;

    first = token.n ? memchr(token.p, '.', token.n) : NULL;
    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second)
        return NULL;
    pke_buf_init(&text, JWS_MAX);
    if (pke_base64_decode(PKE_BYTES(first + 1, (size_t)(second - first - 1)), PKE_B64_URL, &text) == PKE_OK)
        claims_read(pke_buf_bytes(&text), &claims, NULL);
    pke_buf_wipe(&text);
    return claims;
}

static bool claims_issuer(const struct conf_token_issuer *conf, const json_t *claims)
{
    const char *iss, *tid = NULL;

    if (claims_text(claims, "iss", &iss, NULL) != PKE_OK || !iss)
        return false;
    if (conf->kind == CONF_TOKENS_ENTRA &&
        (claims_text(claims, "tid", &tid, NULL) != PKE_OK || !tid || !token_guid_listed(&conf->tenants, tid)))
        return false;
    return token_iss_matches(conf, iss, tid);
}

/* mdm.md 4.2: keys roll without notice; whoever keeps the file up to date should hear of it. */
static void tell(struct token_source *s, const char *kid, const struct auth_now *now)
{
    bool told = s->unknown_told && strcmp(s->unknown_kid, kid) == 0;
    char count[24];

    s->unknown_kids++;
    s->unknown_time = now->wall_seconds;
    snprintf(s->unknown_kid, sizeof s->unknown_kid, "%s", kid);
    if (told)
        return;
    if (now->monotonic_ms - s->unknown_since >= UNKNOWN_LOG_MS) {
        s->unknown_since = now->monotonic_ms;
        s->unknown_logged = 0;
    }
    s->unknown_told = s->unknown_logged < UNKNOWN_LOG_MAX;
    if (!s->unknown_told)
        return;
    s->unknown_logged++;
    snprintf(count, sizeof count, "%" PRIu64, s->unknown_kids);
    log_event(LOG_WARNING, "a token was signed with a key that its issuer's keys-file does not have",
              "token_issuer", s->conf->name, "kid", kid, "unknown_kids", count, NULL);
}

void token_tell_unknown(struct token_source *const *sources, size_t n, struct pke_bytes token,
                        const char *kid, const struct auth_now *now)
{
    json_t *claims PKE_CLEANUP(claims_free_p) = n ? unverified(token) : NULL;

    for (size_t i = 0; claims && i < n; i++)
        if (claims_issuer(sources[i]->conf, claims))
            tell(sources[i], kid, now);
}

bool token_principal_of_tenant(const char *principal)
{
    const char *at = strchr(principal, '@');

    return at && pke_uuid_valid(at + 1);
}
