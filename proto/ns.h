/* SPDX-License-Identifier: Apache-2.0 */
/** @file Namespace names and URIs of the MDM messages (mdm.md 3, 18). Private to proto/. */
#ifndef PROTO_NS_H
#define PROTO_NS_H

#define NS_SOAP  "http://www.w3.org/2003/05/soap-envelope"
#define NS_WSA   "http://www.w3.org/2005/08/addressing"
#define NS_WSSE  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define NS_WSU   "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define NS_WST   "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define NS_AUTH  "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define NS_XCEP  "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define NS_WSTEP "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
#define NS_DSIG  "http://www.w3.org/2000/09/xmldsig#"
#define NS_DIAG  "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
#define NS_DISP  "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"
#define NS_XML   "http://www.w3.org/XML/1998/namespace"

#define URI_MDE        "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/"
#define URI_TT_DEVICE  URI_MDE "DeviceEnrollmentToken"
#define URI_TT_MDE_V1  URI_MDE "DeviceEnrollmentOnBehalfOfToken"
#define URI_VT_USER    URI_MDE "DeviceEnrollmentUserToken"
#define URI_VT_PROVDOC URI_MDE "DeviceEnrollmentProvisionDoc"
#define URI_VT_JWT     "urn:ietf:params:oauth:token-type:jwt"
#define URI_VT_PKCS10  NS_WSTEP "#PKCS10"
#define URI_VT_PKCS7_A NS_WSSE "#PKCS7"
#define URI_VT_PKCS7_B NS_WSTEP "#PKCS7"
#define URI_ENC_BASE64 NS_WSSE "#base64binary"
#define URI_PW_TEXT \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
#define URI_RT_ISSUE    NS_WST "/Issue"
#define URI_RT_RENEW    NS_WST "/Renew"
#define URI_RT_RECOVERY NS_WST "/Recovery"

#endif
