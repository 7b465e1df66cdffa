/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and templates are the issuer's to judge: --check-config asks its code, without ledger and key.
 */
#include <string.h>

#include "daemon/common/role.h"
#include "daemon/main/supervisor.h"

/* Is @p text about @p what @p name, as "template device: ..."? What follows, or NULL. */
static const char *about(const char *text, const char *what, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(text, what, strlen(what)) != 0)
        return NULL;
    text += strlen(what);
    return strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : NULL;
}

enum pke_err templates_check(const struct conf *conf, struct conf_errors *errors)
{
    struct pke_fail fail = {0};
    const char *rest;

    if (issuer_try(conf, &fail) == PKE_OK)
        return PKE_OK;
    for (size_t i = 0; i < conf->n_templates; i++)
        if ((rest = about(fail.text, "template ", conf->templates[i].name)))
            return conf_errors_add(conf, "templates", conf->templates[i].name, NULL, rest, errors);
    for (size_t i = 0; i < conf->n_issuers; i++)
        if ((rest = about(fail.text, "issuer ", conf->issuers[i].name)))
            return conf_errors_add(conf, "issuers", conf->issuers[i].name, NULL, rest, errors);
    return conf_errors_add(conf, NULL, NULL, NULL, fail.text, errors);
}
