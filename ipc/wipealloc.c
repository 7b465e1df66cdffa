/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/wipealloc.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The size stands in front of the block, in a place that keeps the block aligned for any type. */
#define FRONT alignof(max_align_t)

void *wipe_malloc(size_t n)
{
    uint8_t *p;

    if (n > SIZE_MAX - FRONT)
        pke_oom();
    p = pke_malloc(FRONT + n);
    memcpy(p, &n, sizeof n);
    return p + FRONT;
}

void wipe_free(void *p)
{
    uint8_t *front;
    size_t n;

    if (!p)
        return;
    front = (uint8_t *)p - FRONT;
    memcpy(&n, front, sizeof n);
    explicit_bzero(front, FRONT + n);
    free(front);
}
