/* SPDX-License-Identifier: Apache-2.0 */
/** @file The floor of an issuer from its configuration: for the key role, which asks it before each
 * signature, and for the issuer role, which tries each template against it when a configuration is loaded. */
#ifndef DAEMON_COMMON_FLOOR_H
#define DAEMON_COMMON_FLOOR_H

#include "ca/floor.h"
#include "daemon/common/conf.h"

/** Reads the issuer's certificate. Blocks. @return PKE_OK and *ret (ca_floor_free), or as file_read() and
 * ca_floor_new(). */
enum pke_err floor_load(const struct conf *conf, const struct conf_issuer *issuer, struct ca_floor **ret,
                        struct pke_fail *fail);

#endif
