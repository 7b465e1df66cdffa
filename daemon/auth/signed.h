/* SPDX-License-Identifier: Apache-2.0 */
/** @file The kinds of credential that are certificates: signed-header and client-certificate. */
#ifndef DAEMON_AUTH_SIGNED_H
#define DAEMON_AUTH_SIGNED_H

#include "daemon/auth/core_impl.h"

/**
 * The whole document is parsed here again and verified; at the stage enroll the CSR that is in it must be the
 * one that net asks for. @return also PKE_INVALID_SECURITY, for all that is wrong with signature, Timestamp
 * and form.
 */
auth_verify_fn verify_signed_header;

/** net's word that the client holds the key is taken; everything else about the certificate is checked here.
 */
auth_verify_fn verify_client_certificate;

#endif
