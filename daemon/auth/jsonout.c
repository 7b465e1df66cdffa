/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/auth/jsonout.h"

#include "base/mem.h"

static int add(const char *text, size_t n, void *out)
{
    (void)pke_buf_add(out, text, n); /* the buffer remembers that it is full */
    return 0;
}

void auth_json_write(const json_t *value, struct pke_buf *out)
{
    if (!value || json_dump_callback(value, add, out, JSON_COMPACT) != 0)
        pke_oom();
}
