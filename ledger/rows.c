/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and admissions as rows, for the writer's look-ups and for the reader's listings. */
#include <string.h>

#include "ledger/store.h"

void device_load(struct query *q, struct pke_arena *arena, struct ledger_device *ret)
{
    *ret = (struct ledger_device){.tenant = query_col_text(q, 0, arena),
                                  .provider = query_col_text(q, 1, arena),
                                  .device_id = query_col_text(q, 2, arena),
                                  .principal = query_col_text(q, 3, arena),
                                  .user_id = query_col_text(q, 4, arena),
                                  .enrollment_type = query_col_text(q, 5, arena),
                                  .ent_dmid = query_col_text(q, 6, arena),
                                  .device_name = query_col_text(q, 7, arena),
                                  .hwdev_id = query_col_text(q, 8, arena),
                                  .blocked_by = query_col_text(q, 9, arena),
                                  .first_at = query_col_int(q, 10),
                                  .last_at = query_col_int(q, 11),
                                  .blocked_at = query_col_int(q, 12),
                                  .released_at = query_col_int(q, 13),
                                  .recovery_until = query_col_int(q, 14),
                                  .renewal_until = query_col_int(q, 15)};
}

void admission_load(struct query *q, int64_t now, struct pke_arena *arena, struct ledger_admission *ret)
{
    bool granted;

    *ret = (struct ledger_admission){.request_id = query_col_text(q, 0, arena),
                                     .state = query_col_text(q, 1, arena),
                                     .tenant = query_col_text(q, 2, arena),
                                     .principal = query_col_text(q, 3, arena),
                                     .user_id = query_col_text(q, 4, arena),
                                     .provider = query_col_text(q, 5, arena),
                                     .device_id = query_col_text(q, 6, arena),
                                     .template_name = query_col_text(q, 7, arena),
                                     .decided_by = query_col_text(q, 8, arena),
                                     .used_by = query_col_text(q, 9, arena),
                                     .attempts = (uint64_t)query_col_int(q, 10),
                                     .first_at = query_col_int(q, 11),
                                     .last_at = query_col_int(q, 12),
                                     .decided_at = query_col_int(q, 13),
                                     .expires_at = query_col_int(q, 14)};
    granted = strcmp(ret->state, "granted") == 0;
    if (granted && ret->expires_at <= now)
        ret->state = "expired";
    ret->usable = granted && ret->expires_at > now && !ret->used_by;
}
