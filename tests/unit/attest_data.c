/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/attest_data.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct pke_bytes attest_data(const char *name)
{
    const char *folder = getenv("ATTEST_DATA"), *top = getenv("top_srcdir");
    char *path;
    uint8_t *copy = pke_malloc(65536);
    size_t n;
    FILE *f;

    if (!name) {
        free(copy);
        return PKE_BYTES(NULL, 0);
    }
    path = folder ? pke_asprintf("%s/%s", folder, name)
                  : pke_asprintf("%s/tests/data/attest/%s", top ? top : ".", name);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        abort();
    }
    n = fread(copy, 1, 65536, f);
    fclose(f);
    free(path);
    return PKE_BYTES(pke_realloc(copy, n ? n : 1), n);
}

void attest_data_free(struct pke_bytes b)
{
    free((void *)(uintptr_t)b.p);
}
