/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The wap-provisioningdoc of an answer (MS-MDE2 2.2.9.1): CertificateStore by the daemon, APPLICATION and
 * DMClient from structured values of the frontend. Serialised from a tree with libxml2, never pasted.
 */
#ifndef PROTO_PROVDOC_H
#define PROTO_PROVDOC_H

#include "base/bytes.h"
#include "proto/provfrag.h"

struct provdoc_certificate {
    struct pke_bytes der;
    const char *sha1_hex; /* 40 upper-case digits: the node name */
};

struct provdoc {
    bool renewal;      /* the document of a renewal (mdm.md 9.4): stores and PROVIDER-ID, nothing else */
    bool with_ca;      /* of a renewal: root and intermediate too; at enrollment they are always there */
    bool device_store; /* My/System instead of My/User */
    struct provdoc_certificate root, intermediate, certificate; /* intermediate.der empty: none */
    unsigned renew_period, retry_interval;                      /* days */
    const char *renew_url;                                      /* NULL: left out */

    /* APPLICATION */
    const char *provider_id, *display_name, *management_url;
    unsigned connection_retries;
    uint64_t initial_backoff_ms, max_backoff_ms;
    bool backcompat_retry_disabled, use_hardware_id; /* USEHWDEVID */
    const char *default_encoding, *protocol_version; /* PROTOVER */
    const char *access_point;                        /* TO-NAPID */
    const char *search_subject; /* "CN=..." for SSLCLIENTCERTSEARCHCRITERIA; NULL: left out */
    const char *client_secret, *client_nonce;
    const char *server_auth_type, *server_name, *server_secret, *server_nonce;

    /* DMClient */
    const char *upn, *ent_dmid, *ent_device_name; /* NULL: left out, except EntDMID which must be there */
    const char *help_phone, *help_website, *help_email;
    bool require_message_signing, keep_alive; /* left out when false: the client's default */
    const char *sync_version, *aad_resource_id, *server_list;
    unsigned first_retries, first_interval_min, second_retries, second_interval_min, remaining_retries,
        remaining_interval_min;
    bool poll_on_login, poll_all_users;

    const struct provfrag *fragment; /* NULL: none; its DMClient joins the one above */
};

/**
 * Append the document: UTF-8, no namespace, no indentation, no declaration.
 *
 * Mandatory: root and certificate with their thumbprints, 1 <= retry_interval <= renew_period <= 1000 (or
 * renew_period 0: no WSTEP/Renew at all),
 * provider_id, management_url, client_secret, client_nonce, server_auth_type ("BASIC" or "DIGEST"),
 * server_name, server_secret, server_nonce (for DIGEST), ent_dmid. Other strings may be NULL: left out.
 * Of a renewal: certificate, with_ca's root, provider_id.
 * libxml2's copies of the secrets are overwritten when freed; @p out is the caller's to wipe.
 * @return PKE_OK; PKE_POLICY when a mandatory value is missing or a value cannot stand in XML; PKE_LIMIT when
 * @p out is full (its content is then not a document).
 */
enum pke_err provdoc_write(const struct provdoc *doc, struct pke_buf *out, struct pke_fail *fail);

#endif
