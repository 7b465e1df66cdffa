/* SPDX-License-Identifier: Apache-2.0 */
/* The whole grammar of a key's URI is known to keystore/ alone; no module is loaded to check it. */
#include "daemon/main/supervisor.h"
#include "keystore/keystore.h"

enum pke_err keyuris_check(const struct conf *conf, struct conf_errors *errors)
{
    enum pke_err err = PKE_OK;
    struct pke_fail fail;

    for (size_t i = 0; i < conf->n_keys; i++) {
        const struct conf_key *k = &conf->keys[i];
        if (k->backend != CONF_BACKEND_FILE && ks_uri_check(k->uri, &fail) != PKE_OK)
            err = conf_errors_add(conf, "keys", k->name, "uri", fail.text, errors);
    }
    return err;
}
