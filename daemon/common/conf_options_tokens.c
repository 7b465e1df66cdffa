/* SPDX-License-Identifier: Apache-2.0 */
/* The options of token issuers: who signs the tokens of the credential kinds jwt and entra-jwt. */
#include "daemon/common/conf_impl.h"

static const struct pke_enum_name kinds[] = {
    {"custom", CONF_TOKENS_CUSTOM}, {"entra", CONF_TOKENS_ENTRA}, {NULL, 0}};

#define F(type, field) PKE_FIELD(type, struct conf_token_issuer, field)

const struct pke_option conf_token_issuer_options[] = {
    {"tenant", PKE_OPT_STRING, F(char *, tenant), NULL, 1, CONF_NAME_MAX,
     .help = "Whose it is; needed where there are several tenants"},
    {"kind", PKE_OPT_ENUM, F(int, kind), NULL, .names = kinds, .required = true,
     .help = "Custom (the MDM frontend or its sign-in page) or entra (Microsoft Entra ID)"},
    {"keys-file", PKE_OPT_PATH, F(char *, keys_file), NULL, 1, 4000, .required = true,
     .help = "Public keys of the issuer, a JWKS or PEM file"},
    {"allow-missing-kid", PKE_OPT_BOOL, F(bool, allow_missing_kid), "no",
     .help = "A token without kid is checked with the only key of the file"},
    {"token-type", PKE_OPT_STRING, F(char *, token_type), "JWT", 1, 64,
     .help = "What typ must be, such as at+jwt; JWT: that or absent"},
    {"algorithms", PKE_OPT_STRINGS, F(struct pke_strings, algorithms), NULL, 1, 16,
     .help = "Signature algorithms: RS256, PS256, ES256, ES384, EdDSA"},
    {"issuer", PKE_OPT_STRINGS, F(struct pke_strings, issuer), NULL, 1, 320,
     .help = "Values of iss that are accepted, exactly; entra: with {tid} for the token's tenant"},
    {"audience", PKE_OPT_STRINGS, F(struct pke_strings, audience), NULL, 1, 320, .required = true,
     .help = "Values of aud that are accepted, exactly"},
    {"leeway", PKE_OPT_DURATION, F(int64_t, leeway), "60s", 0, 300000,
     .help = "How far the issuer's clock may be off; default of entra 5m"},
    {"max-lifetime", PKE_OPT_DURATION, F(int64_t, max_lifetime), "1h", 60000, 604800000,
     .help = "Longest time from a token's iat to its exp; default of entra 28h"},
    {"principal-claim", PKE_OPT_STRING, F(char *, principal_claim), "sub", 1, 64,
     .help = "Custom: claim that names the principal"},
    {"id-claim", PKE_OPT_STRING, F(char *, id_claim), NULL, 1, 64,
     .help = "Custom: claim that stays when a principal is given to somebody else"},
    {"principals", PKE_OPT_STRINGS, F(struct pke_strings, principals), NULL, 1, 320,
     .help = "Custom: principals that the issuer may name: exact, *@domain or *"},
    {"upn-claim", PKE_OPT_STRING, F(char *, upn_claim), "upn", 1, 64,
     .help = "Claim that holds the user principal name"},
    {"one-time", PKE_OPT_BOOL, F(bool, one_time), "no",
     .help = "Custom: a token has a jti and is good for one certificate"},
    {"require-key-binding", PKE_OPT_BOOL, F(bool, require_key_binding), "no",
     .help = "Custom: a token names the key of the CSR that it is for, in its claim cnf"},
    {"tenants", PKE_OPT_STRINGS, F(struct pke_strings, tenants), NULL, 1, 36,
     .help = "Entra: tenant ids (tid) that are accepted"},
    {"required-scope", PKE_OPT_STRING, F(char *, required_scope), NULL, 0, 128,
     .help = "Entra: scope that scp must hold; empty: any"},
    {"app-ids", PKE_OPT_STRINGS, F(struct pke_strings, app_ids), NULL, 1, 36,
     .help = "Entra: client applications (appid, azp) that are accepted; default any"},
    PKE_OPTION_END,
};
#undef F
