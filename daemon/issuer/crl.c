/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule of certificate revocation lists. */
#include "daemon/issuer/crl.h"

void crl_changed(struct issuer *is, struct pke_bytes issuer_id)
{
    (void)is;
    (void)issuer_id;
}
