/* SPDX-License-Identifier: Apache-2.0 */
/** @file A template is tried before it is used (attacks A47). Private to daemon/issuer/. */
#ifndef DAEMON_ISSUER_SAMPLE_H
#define DAEMON_ISSUER_SAMPLE_H

#include <stdint.h>

#include "base/error.h"

struct setup;
struct issuer_template;

/**
 * For each enabled template, enrollment type and type of key: decide a request of somebody who has every
 * name, build the certificate, lint it, and ask the floor of its issuer, all as for a real one, and without
 * the key. Names are taken from the issuer's bounds and from `allow`; a template is fine when those of either
 * pass, or those that the bounds let through. @p now in seconds. Reads the issuers' certificates. Blocks.
 * @return PKE_OK or PKE_CONFIG: template-sample; the rule is the one that refused, and the sentence names
 * template, reason and rule.
 */
enum pke_err sample_try(const struct setup *s, int64_t now, struct pke_fail *fail);

/** The same of one, which may be signed by another issuer of @p s than it is. */
enum pke_err sample_try_one(const struct setup *s, const struct issuer_template *tmpl, int64_t now,
                            struct pke_fail *fail);

#endif
