/* SPDX-License-Identifier: Apache-2.0 */
/** @file The floor of an issuer's key as the configuration says it: of the key role, and of simulations. */
#ifndef DAEMON_COMMON_CONF_FLOOR_H
#define DAEMON_COMMON_CONF_FLOOR_H

#include "ca/floor.h"
#include "daemon/common/conf.h"

/** Read the issuer's certificate file and make its floor. PKE_OK and *ret (ca_floor_free), or as
 * ca_floor_new(), or the error of the file. Blocks on the file. */
enum pke_err conf_floor_load(const struct conf *conf, const struct conf_issuer *issuer, struct ca_floor **ret,
                             struct pke_fail *fail);

#endif
