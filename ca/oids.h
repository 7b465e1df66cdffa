/* SPDX-License-Identifier: Apache-2.0 */
/** @file The extensions that we issue. Private to ca/. */
#ifndef CA_OIDS_H
#define CA_OIDS_H

#define OID_COMMON_NAME       "2.5.4.3"
#define OID_SKI               "2.5.29.14"
#define OID_KEY_USAGE         "2.5.29.15"
#define OID_SAN               "2.5.29.17"
#define OID_BASIC_CONSTRAINTS "2.5.29.19"
#define OID_CRL_NUMBER        "2.5.29.20"
#define OID_DELTA_CRL         "2.5.29.27"
#define OID_AKI               "2.5.29.35"
#define OID_EKU               "2.5.29.37"
#define OID_FRESHEST_CRL      "2.5.29.46"
#define OID_ANY_EKU           "2.5.29.37.0"
#define OID_POLICIES          "2.5.29.32"
#define OID_ANY_POLICY        "2.5.29.32.0"
#define OID_CRL_POINTS        "2.5.29.31"
#define OID_AIA               "1.3.6.1.5.5.7.1.1"
#define OID_CA_ISSUERS        "1.3.6.1.5.5.7.48.2"
#define OID_CPS               "1.3.6.1.5.5.7.2.1"
#define OID_TEMPLATE_NAME     "1.3.6.1.4.1.311.20.2"  /* BMPString (MS-WCCE 2.2.2.7.7.1) */
#define OID_TEMPLATE          "1.3.6.1.4.1.311.21.7"  /* CertificateTemplate (2.2.2.7.7.2) */
#define OID_APP_POLICIES      "1.3.6.1.4.1.311.21.10" /* as certificatePolicies (2.2.2.7.7.3) */

#define OID_UPN          "1.3.6.1.4.1.311.20.2.3" /* otherName, UTF8String */
#define OID_GUID         "1.3.6.1.4.1.311.25.1"   /* otherName, OCTET STRING */
#define OID_SID          "1.3.6.1.4.1.311.25.2"   /* extension (MS-WCCE 2.2.2.7.7.4) */
#define OID_SID_IN_OTHER "1.3.6.1.4.1.311.25.2.1" /* otherName in it, OCTET STRING */

/* first octet of the keyUsage bits (RFC 5280 4.2.1.3) */
#define KU_BIT_DIGITAL_SIGNATURE 0x80
#define KU_BIT_KEY_ENCIPHERMENT  0x20
#define KU_BIT_KEY_CERT_SIGN     0x04

#define TAG_SAN_OTHER  0xa0 /* [0] IMPLICIT SEQUENCE { type, [0] EXPLICIT value } */
#define TAG_SAN_EMAIL  0x81 /* [1] IMPLICIT IA5String */
#define TAG_SAN_DNS    0x82 /* [2] IMPLICIT IA5String */
#define TAG_SAN_URI    0x86 /* [6] IMPLICIT IA5String */
#define TAG_AKI_KEY_ID 0x80 /* [0] IMPLICIT OCTET STRING */

#endif
