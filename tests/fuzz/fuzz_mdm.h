/* SPDX-License-Identifier: Apache-2.0 */
/** @file What the targets of the MDM messages share: the readers with what holds of all they accept. */
#ifndef TESTS_FUZZ_FUZZ_MDM_H
#define TESTS_FUZZ_FUZZ_MDM_H

#include "proto/wstep.h"
#include "proto/xcep.h"
#include "tests/fuzz/fuzz.h"

/** Parse an envelope; false when it is refused, and then the fault for it is XML and relates to the message.
 */
bool fuzz_envelope(struct pke_bytes in, struct pke_arena *arena, struct soap_request *ret);

/** xcep_request_read; false when it is refused. */
bool fuzz_get_policies(const struct soap_request *r, struct pke_arena *arena, struct xcep_request *ret);

/** wstep_request_read; false when it is refused. */
bool fuzz_rst(const struct soap_request *r, struct pke_arena *arena, struct wstep_request *ret);

/** Put @p body into a reply to @p r, parse that and return the one child of its Body. */
const struct xml_node *fuzz_reply(const struct soap_request *r, struct pke_buf *body,
                                  struct pke_arena *arena);

/** Text of the first element with that local name below @p n in document order, trimmed; NULL. */
const char *fuzz_text(const struct xml_node *n, const char *name, struct pke_arena *arena);

/** A GetPolicies answer with these texts and one provider and @p certificate in it; false when it is refused,
 * which only white space or an absent text can cause. */
bool fuzz_policy_write(const char *id, const char *name, struct pke_bytes certificate,
                       struct pke_arena *arena, struct pke_buf *out);

/** Answer @p rst with its own request as the provisioning document and read that back. */
void fuzz_rst_answer(const struct soap_request *r, const struct wstep_request *rst, struct pke_arena *arena);

/** An envelope with a right RequestSecurityToken around @p items as the content of its AdditionalContext. */
void fuzz_rst_around(struct pke_bytes items, struct pke_buf *out);

#endif
