/* SPDX-License-Identifier: Apache-2.0 */
#include "keytool/tool.h"
#include "keytool/x509.h"

enum pke_err tool_open_key(const struct tool_options *o, struct ks_key **ret, struct pke_fail *fail)
{
    struct ks_error error;

    if (ks_open(&o->config, PKE_BYTES(NULL, 0), ret, &error) == 0)
        return PKE_OK;
    *fail = error.fail;
    return fail->err;
}

enum pke_err tool_issue(const struct tool_options *o, struct ks_key *key, struct tool_ca *ca,
                        struct pke_fail *fail)
{
    enum pke_err err = tool_random_serial(ca->serial, fail);
    struct pke_buf der;

    pke_buf_init(&der, TOOL_FILE_MAX);
    if (err == PKE_OK)
        err = tool_ca_certificate(key, ca, &der, fail);
    if (err == PKE_OK)
        err = tool_publish_certificate(o, pke_buf_bytes(&der), fail);
    pke_buf_done(&der);
    return err;
}
