/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/provision.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "proto/provdoc.h"

#define MS_PER_MINUTE 60000

static struct provdoc_certificate node(const struct catalogue_certificate *c)
{
    return (struct provdoc_certificate){.der = c->der, .sha1_hex = c->sha1};
}

static void map_application(const struct provision_input *in, struct provdoc *doc)
{
    const struct conf_provisioning *c = in->conf;

    doc->provider_id = c->provider_id;
    doc->display_name = c->display_name;
    doc->management_url = c->management_url;
    doc->connection_retries = (unsigned)c->connection_retries;
    doc->initial_backoff_ms = (uint64_t)c->initial_backoff;
    doc->max_backoff_ms = (uint64_t)c->max_backoff;
    doc->backcompat_retry_disabled = c->backcompat_retry_disabled;
    doc->default_encoding = c->default_encoding;
    doc->client_secret = (const char *)pke_secret_bytes(in->secrets->client).p;
    doc->client_nonce = c->client_nonce;
    doc->server_auth_type = c->server_auth_type;
    doc->server_name = c->server_name;
    doc->server_secret = (const char *)pke_secret_bytes(in->secrets->server).p;
    doc->server_nonce = c->server_nonce;
    doc->renew_period = (unsigned)c->renew_period;
    doc->retry_interval = (unsigned)c->retry_interval;
    doc->renew_url = c->renew_url;
}

static void map_dmclient(const struct conf_provisioning *c, struct provdoc *doc)
{
    doc->help_phone = c->help_phone;
    doc->help_website = c->help_website;
    doc->help_email = c->help_email;
    doc->first_retries = (unsigned)c->poll_first_retries;
    doc->second_retries = (unsigned)c->poll_second_retries;
    doc->remaining_retries = (unsigned)c->poll_remaining_retries;
    doc->first_interval_min = (unsigned)(c->poll_first_interval / MS_PER_MINUTE);
    doc->second_interval_min = (unsigned)(c->poll_second_interval / MS_PER_MINUTE);
    doc->remaining_interval_min = (unsigned)(c->poll_remaining_interval / MS_PER_MINUTE);
    doc->poll_on_login = c->poll_on_login;
}

/* Enrollment type and device name are the client's words; they choose a store and a label, nothing more. */
static void map_request(const struct provision_input *in, struct provdoc *doc)
{
    const char *type = in->issued->enrollment_type;

    doc->device_store = type && strcasecmp(type, "Device") == 0;
    doc->ent_device_name = pke_pairs_get(in->context, "DeviceName");
    if (doc->ent_device_name && !*doc->ent_device_name)
        doc->ent_device_name = NULL;
    doc->upn = in->issued->principal;
    doc->ent_dmid = in->issued->ent_dmid;
}

enum pke_err provision_write(const struct provision_input *in, struct pke_buf *out, struct pke_fail *fail)
{
    PKE_CLEANUP(pke_free_p) char *subject = NULL;
    char sha1[CATALOGUE_SHA1_HEX];
    struct provdoc doc = {0};

    if (!in->issuer || !in->conf || !in->secrets)
        return pke_fail_set(fail, PKE_INTERNAL, "provisioning-incomplete", "MS-MDE2 2.2.9.1",
                            "the issuing CA's certificate or the provisioning section is not known");
    map_application(in, &doc);
    map_dmclient(in->conf, &doc);
    map_request(in, &doc);
    doc.root = node(&in->issuer->root);
    if (!in->issuer->self_signed)
        doc.intermediate = node(&in->issuer->ca);
    catalogue_sha1(in->issued->certificate, sha1);
    doc.certificate = (struct provdoc_certificate){in->issued->certificate, sha1};
    if (in->conf->search_criteria) {
        subject = pke_asprintf("CN=%s", in->issued->subject_cn);
        doc.search_subject = subject;
    }
    return provdoc_write(&doc, out, fail);
}
