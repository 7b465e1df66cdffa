/* SPDX-License-Identifier: Apache-2.0 */
/* The serials that were let through last. */
#include <string.h>

#include "ca/floor_impl.h"

#define NONE UINT16_MAX

void floor_memory_init(struct floor_memory *m)
{
    for (size_t i = 0; i < FLOOR_RECENT; i++)
        m->bucket[i] = NONE;
}

static unsigned bucket_of(struct pke_bytes serial)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < serial.n; i++)
        h = (h ^ serial.p[i]) * 16777619u;
    return h % FLOOR_RECENT;
}

static struct pke_bytes serial_bytes(const struct floor_serial *s)
{
    return PKE_BYTES(s->octets, s->n);
}

bool floor_serial_seen(const struct floor_memory *m, struct pke_bytes serial)
{
    for (uint16_t i = m->bucket[bucket_of(serial)]; i != NONE; i = m->ring[i].next)
        if (pke_bytes_eq(serial_bytes(&m->ring[i]), serial))
            return true;
    return false;
}

static void forget(struct floor_memory *m, uint16_t slot)
{
    uint16_t *link = &m->bucket[bucket_of(serial_bytes(&m->ring[slot]))];

    while (*link != slot)
        link = &m->ring[*link].next;
    *link = m->ring[slot].next;
}

void floor_serial_remember(struct floor_memory *m, struct pke_bytes serial)
{
    uint16_t slot = (uint16_t)m->at;
    struct floor_serial *s = &m->ring[slot];
    unsigned bucket = bucket_of(serial);

    if (s->n > 0)
        forget(m, slot);
    memcpy(s->octets, serial.p, serial.n);
    s->n = (uint8_t)serial.n;
    s->next = m->bucket[bucket];
    m->bucket[bucket] = slot;
    m->at = (m->at + 1) % FLOOR_RECENT;
}
