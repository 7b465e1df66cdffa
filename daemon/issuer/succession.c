/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/issuer/succession.h"

#include <string.h>

#define RULE "issuer rollover"

const struct ledger_rollover *succession_of(const struct succession *s, const char *from)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->rows[i].from, from) == 0)
            return &s->rows[i];
    return NULL;
}

/* No more steps than rows: who can write the ledger's file must not hang the role with a circle. */
const char *succession_effective(const struct succession *s, const char *issuer)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct ledger_rollover *row = succession_of(s, issuer);
        if (!row || !row->switched_at)
            break;
        issuer = row->to;
    }
    return issuer;
}

enum pke_err succession_check(const struct succession *s, const char *from, const char *to,
                              struct pke_fail *fail)
{
    const struct ledger_rollover *row = succession_of(s, from);

    if (strcmp(from, to) == 0)
        return pke_fail_set(fail, PKE_CONFIG, "rollover-same", RULE, "an issuer does not follow itself");
    if (row)
        return pke_fail_set(fail, PKE_EXISTS, "rollover-exists", RULE,
                            row->switched_at ? "%s was switched to %s: schedule %s, or cancel that first"
                                             : "%s is about to be switched to %s: cancel that first",
                            from, row->to, row->to);
    row = succession_of(s, to);
    if (row)
        return pke_fail_set(fail, PKE_EXISTS, "rollover-onward", RULE,
                            "%s has the successor %s itself: certificates would not be signed by %s", to,
                            row->to, to);
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->rows[i].to, from) == 0 && !s->rows[i].switched_at)
            return pke_fail_set(fail, PKE_EXISTS, "rollover-incoming", RULE,
                                "%s is to take over from %s: switch or cancel that first", from,
                                s->rows[i].from);
    return PKE_OK;
}

enum succession_step succession_next(const struct ledger_rollover *row, int64_t now_ms, bool fit)
{
    if (row->switched_at)
        return SUCCESSION_DONE;
    if (now_ms < row->switch_at)
        return SUCCESSION_TIME;
    if (!row->acknowledged_at)
        return SUCCESSION_ACKNOWLEDGEMENT;
    return fit ? SUCCESSION_SWITCH : SUCCESSION_OBSTACLE;
}

const char *succession_state(const struct succession *s, const char *issuer, size_t templates)
{
    const struct ledger_rollover *row = succession_of(s, issuer);

    if (templates)
        return "active";
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->rows[i].to, issuer) == 0 && !s->rows[i].switched_at)
            return "scheduled";
    return row && row->switched_at ? "retired" : "standby";
}
