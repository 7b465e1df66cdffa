/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Names of a certificate on their way through the layers: lists of pairs, kind -> UTF-8 text. policy/ decides
 * them, ca/ encodes and checks them, ledger/ keeps them; none of the three knows another.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

/* Subject, one attribute per RDN, in the order of the encoding (RFC 4519, RFC 5280 A.1). */
#define PKE_RDN_CN            "CN"
#define PKE_RDN_O             "O"
#define PKE_RDN_OU            "OU"
#define PKE_RDN_L             "L"
#define PKE_RDN_ST            "ST"
#define PKE_RDN_C             "C"
#define PKE_RDN_DC            "DC"
#define PKE_RDN_SERIAL_NUMBER "serialNumber"
#define PKE_RDN_UID           "UID"

/* Subject alternative names (RFC 5280 4.2.1.6). */
#define PKE_SAN_DNS   "dns"
#define PKE_SAN_EMAIL "email" /* rfc822Name */
#define PKE_SAN_URI   "uri"
#define PKE_SAN_UPN   "upn" /* otherName 1.3.6.1.4.1.311.20.2.3, UTF8String */
#define PKE_SAN_GUID                                                                       \
    "guid" /* otherName 1.3.6.1.4.1.311.25.1, a directory's objectGUID, as 8-4-4-4-12 text \
            */

/** A Windows account: extension 1.3.6.1.4.1.311.25.2, and the URI that stands for it; "S-1-5-21-..." */
#define PKE_NAME_SID       "sid"
#define PKE_SID_URI_PREFIX "tag:microsoft.com,2022-09-14:sid:"

#endif
