/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "keytool/tool.h"
#include "keytool/x509.h"

static enum pke_err sign_and_write(const struct tool_options *o, struct ks_key *key, struct tool_ca *ca,
                                   struct pke_fail *fail)
{
    struct pke_buf der;
    enum pke_err err = tool_random_serial(ca->serial, fail);

    ca->spki = ks_spki(key);
    pke_buf_init(&der, TOOL_FILE_MAX);
    if (err == PKE_OK)
        err = tool_ca_certificate(key, ca, &der, fail);
    if (err == PKE_OK)
        err = tool_publish_certificate(o, pke_buf_bytes(&der), fail);
    pke_buf_done(&der);
    return err;
}

int tool_self_sign(const struct tool_options *o)
{
    struct tool_ca ca = {.path_len = o->path_len, .not_before = (int64_t)time(NULL)};
    struct pke_fail fail = {0};
    struct ks_key *key = NULL;
    struct ks_error error;
    X509_NAME *subject;
    enum pke_err err;

    if (tool_dn_parse(o->subject, &subject, &fail) != PKE_OK)
        return tool_usage("%s", fail.text);
    ca.subject = ca.issuer = subject;
    ca.not_after = ca.not_before + tool_days(o) * 86400 - 1; /* RFC 5280 4.1.2.5: both ends belong to it */
    err = tool_may_write(o->out, o->force, &fail);
    if (err == PKE_OK && ks_open(&o->config, PKE_BYTES(NULL, 0), &key, &error) != 0)
        err = (fail = error.fail).err;
    if (err == PKE_OK) {
        tool_key(key);
        err = sign_and_write(o, key, &ca, &fail);
    }
    ks_close(key);
    X509_NAME_free(subject);
    return err == PKE_OK ? TOOL_OK : tool_refuse(&fail);
}
