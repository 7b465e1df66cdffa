/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_VERB_H
#define TESTS_FUZZ_FUZZ_VERB_H

#include "daemon/control/request.h"
#include "tests/fuzz/fuzz.h"

/** Take what stands before the next line feed, or all. */
struct pke_bytes fuzz_line(struct pke_bytes *rest);

/** What holds of a request that was taken: every argument by its type, once, none missing, no secret among
 * them; and the path that the command line would write leads to the same verb with the same value. */
void fuzz_verb_check(const struct control_request *r);

#endif
