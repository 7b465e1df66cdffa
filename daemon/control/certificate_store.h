/* SPDX-License-Identifier: Apache-2.0 */
/** @file The CertificateStore document of what the signing API issued. Nothing here is secret. */
#ifndef DAEMON_CONTROL_CERTIFICATE_STORE_H
#define DAEMON_CONTROL_CERTIFICATE_STORE_H

#include <jansson.h>

/**
 * Into @p answer of sign or renew, or into each item of a batch that is a certificate: "certificate_store",
 * the wap-provisioningdoc with the characteristic CertificateStore (MS-MDE2 2.2.9.1): roots, intermediates
 * and the certificate, to be merged into the frontend's own. Null when it cannot be written.
 */
void certificate_store_add(json_t *answer);

#endif
