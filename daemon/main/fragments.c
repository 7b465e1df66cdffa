/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments of provisioning documents are checked before any role is asked to use them; net parses again. */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/common/file.h"
#include "daemon/main/supervisor.h"
#include "proto/provfrag.h"

static enum pke_err check_one(const struct conf *conf, const struct conf_provisioning *p,
                              struct conf_errors *errors)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf text = {0};
    PKE_CLEANUP(pke_free_p) char *message = NULL;
    struct provfrag *fragment = NULL;
    struct pke_fail fail;
    unsigned line = 1;
    enum pke_err err;

    pke_buf_init(&text, PROVFRAG_MAX);
    err = file_read(p->fragment_file, &text, &fail);
    if (err == PKE_OK)
        err = provfrag_read(pke_buf_bytes(&text), p->provider_id, &fragment, &line, &fail);
    provfrag_free(fragment);
    if (err == PKE_OK)
        return PKE_OK;
    message = pke_asprintf("%s:%u: %s (%s)", p->fragment_file, line, fail.text, fail.rule);
    return conf_errors_add(conf, "provisioning", p->name, "fragment-file", message, errors);
}

enum pke_err fragments_check(const struct conf *conf, struct conf_errors *errors)
{
    enum pke_err err = PKE_OK;

    for (size_t i = 0; i < conf->n_provisionings; i++)
        if (conf->provisionings[i].fragment_file &&
            check_one(conf, &conf->provisionings[i], errors) != PKE_OK)
            err = PKE_CONFIG;
    return err;
}
