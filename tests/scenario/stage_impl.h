/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the stage. */
#ifndef TESTS_SCENARIO_STAGE_IMPL_H
#define TESTS_SCENARIO_STAGE_IMPL_H

#include "tests/scenario/stage.h"

/* stage.c */
/** A role without a configuration. */
void stage_spawn(struct stage *s, struct actor *a, const char *role, const char *name);
void stage_stop(struct actor *a);

/* stage_world.c */
char *stage_key_conf(const struct stage *s); /* options of the key; free() */
void stage_give_end(struct actor *to, enum role_id peer, int fd);
/** Ask the issuer, as its control role, until its key is ready. */
void stage_wait_key_ready(struct stage *s);

#endif
