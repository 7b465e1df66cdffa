/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration reader on any bytes: what is accepted must survive its own dump unchanged. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/common/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors errors = {0};
    struct pke_buf first, second;
    struct conf *a = NULL, *b = NULL;

    if (conf_parse("/etc/c.yaml", PKE_BYTES(data, size), &a, &errors) != PKE_OK) {
        if (errors.count == 0 || a)
            abort();
        conf_errors_done(&errors);
        return 0;
    }
    pke_buf_init(&first, 4 * CONF_MAX_BYTES);
    pke_buf_init(&second, 4 * CONF_MAX_BYTES);
    if (errors.count || conf_dump(a, &first) != PKE_OK)
        abort();
    if (first.n <= CONF_MAX_BYTES) {
        if (conf_parse("/etc/c.yaml", pke_buf_bytes(&first), &b, &errors) != PKE_OK ||
            conf_dump(b, &second) != PKE_OK || !pke_bytes_eq(pke_buf_bytes(&first), pke_buf_bytes(&second)))
            abort();
    }
    conf_unref(a);
    conf_unref(b);
    conf_errors_done(&errors);
    pke_buf_done(&first);
    pke_buf_done(&second);
    return 0;
}
