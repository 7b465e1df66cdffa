/* SPDX-License-Identifier: Apache-2.0 */
/** @file Rules between the options of attestation. Private to policy/. */
#ifndef POLICY_ATTESTATION_H
#define POLICY_ATTESTATION_H

#include "policy/template.h"

/** PKE_OK, or PKE_CONFIG with a text that names the option. */
enum pke_err policy_attestation_check(const struct policy_template *t, struct pke_fail *fail);

#endif
