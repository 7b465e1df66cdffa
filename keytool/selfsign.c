/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "keytool/tool.h"
#include "keytool/x509.h"

int tool_self_sign(const struct tool_options *o)
{
    struct tool_ca ca = {.path_len = o->path_len, .not_before = (int64_t)time(NULL)};
    struct pke_fail fail = {0};
    struct ks_key *key = NULL;
    X509_NAME *subject;
    enum pke_err err;

    if (tool_dn_parse(o->subject, &subject, &fail) != PKE_OK)
        return tool_usage("%s", fail.text);
    ca.subject = ca.issuer = subject;
    ca.not_after = ca.not_before + tool_days(o) * 86400 - 1; /* RFC 5280 4.1.2.5: both ends belong to it */
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK)
        err = tool_open_key(o, &key, &fail);
    if (err == PKE_OK) {
        tool_key(key);
        ca.spki = ks_spki(key);
        err = tool_issue(o, key, &ca, &fail);
    }
    ks_close(key);
    X509_NAME_free(subject);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
