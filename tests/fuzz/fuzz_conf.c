/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration reader on any bytes: what is accepted survives its own dump unchanged. */
#include "daemon/common/conf.h"
#include "tests/fuzz/fuzz.h"

static bool rewrite(struct pke_bytes in, struct pke_arena *arena, struct pke_buf *out)
{
    struct conf_errors errors = {0};
    struct conf *conf = NULL;
    bool good = conf_parse("/etc/c.yaml", in, &conf, &errors) == PKE_OK;

    (void)arena;
    FUZZ_MUST(good == (conf != NULL) && good == (errors.count == 0));
    FUZZ_MUST(!good || conf_dump(conf, out) == PKE_OK);
    conf_unref(conf);
    conf_errors_done(&errors);
    return good;
}

void fuzz_one(struct pke_bytes in, struct pke_arena *arena)
{
    fuzz_stable(rewrite, in, CONF_MAX_BYTES, arena);
}
