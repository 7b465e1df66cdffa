/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/lint.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ca/lint_rules.h"

/* One list makes both tables: a rule that is documented runs, and the other way round. */
const struct ca_lint_rule ca_lint_rules[] = {
#define X(name, clause, fn) {name, clause},
    LINT_RULES(X)
#undef X
        {NULL, NULL},
};

static bool (*const functions[])(const struct lint *) = {
#define X(name, clause, fn) fn,
    LINT_RULES(X)
#undef X
};

static enum pke_err refuse(size_t rule, const char *why, struct pke_fail *fail)
{
    return pke_fail_set(fail, PKE_POLICY, ca_lint_rules[rule].name, ca_lint_rules[rule].clause,
                        "the certificate to be signed breaks the rule %s%s%s", ca_lint_rules[rule].name,
                        *why ? ": " : "", why);
}

enum pke_err ca_lint(struct pke_bytes tbs, const struct ca_lint_context *ctx, uint8_t digest[CA_LINT_DIGEST],
                     struct pke_fail *fail)
{
    struct lint l = {.ctx = ctx};
    struct pke_fail why = {0};

    if (ca_tbs_decode(tbs, &l.tbs, &why))
        return refuse(0, why.text, fail);
    l.key_known = ca_key_decode(l.tbs.spki, &l.key, NULL) == PKE_OK;
    for (size_t i = 0; i < PKE_LEN(functions); i++)
        if (!functions[i](&l))
            return refuse(i, "", fail);
    if (digest && EVP_Digest(tbs.p, tbs.n, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    return PKE_OK;
}
