/* SPDX-License-Identifier: Apache-2.0 */
/** @file Where pkienrollctl takes a password from: a file, standard input or the terminal; never the
 * arguments. */
#ifndef CTL_PASSWORD_H
#define CTL_PASSWORD_H

#include "base/secret.h"

/**
 * @param file  a 0600 file, "-" for the first line of standard input, NULL to ask twice on the terminal
 * @return PKE_OK and *ret (pke_secret_free), or PKE_CONFIG saying why there is none. Blocks.
 */
enum pke_err password_get(const char *file, struct pke_secret **ret, struct pke_fail *fail);

#endif
