/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/net/provision.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "daemon/common/pattern.h"
#include "proto/provdoc.h"

#define MS_PER_MINUTE   60000
#define UPN_MAX         320 /* as a user name (proto/limits.h) */
#define DEVICE_NAME_MAX 256

static struct provdoc_certificate node(const struct catalogue_certificate *c)
{
    return (struct provdoc_certificate){.der = c->der, .sha1_hex = c->sha1};
}

static void map_application(const struct provision_input *in, struct provdoc *doc)
{
    const struct conf_provisioning *c = in->conf;

    doc->display_name = c->display_name;
    doc->management_url = c->management_url;
    doc->connection_retries = (unsigned)c->connection_retries;
    doc->initial_backoff_ms = (uint64_t)c->initial_backoff;
    doc->max_backoff_ms = (uint64_t)c->max_backoff;
    doc->backcompat_retry_disabled = c->backcompat_retry_disabled;
    doc->default_encoding = c->default_encoding;
    doc->protocol_version = c->protocol_version;
    doc->access_point = c->network_access_point;
    doc->use_hardware_id = c->use_hardware_id;
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
    doc->poll_all_users = c->poll_all_users;
    doc->require_message_signing = c->require_message_signing;
    doc->keep_alive = c->keep_alive;
    doc->sync_version = c->sync_version;
    doc->aad_resource_id = c->aad_resource_id;
}

/* "<URL1><URL2>"; one address stands alone (MS-MDE2 2.2.9.3). */
static char *server_list(const struct pke_strings *urls)
{
    PKE_CLEANUP(pke_buf_done) struct pke_buf b = {0};

    if (urls->n == 0)
        return NULL;
    if (urls->n == 1)
        return pke_strdup(urls->v[0]);
    pke_buf_init(&b, PROVISION_MAX);
    for (size_t i = 0; i < urls->n; i++)
        (void)pke_buf_printf(&b, "<%s>", urls->v[i]);
    return pke_strdup(pke_buf_cstr(&b));
}

/* What differs from request to request, to be freed. */
struct texts {
    char *upn, *device_name, *server_list, *subject;
};

static void texts_done(struct texts *t)
{
    free(t->upn);
    free(t->device_name);
    free(t->server_list);
    free(t->subject);
}

/* The device's name is the client's word; it is a label, nothing more. */
static void make_texts(const struct provision_input *in, struct texts *t)
{
    const char *const values[PATTERN__MAX] = {
        [PATTERN_UPN] = in->issued->upn,
        [PATTERN_USER] = in->issued->principal,
        [PATTERN_DEVICE_ID] = pke_pairs_get(in->context, "DeviceID"),
        [PATTERN_DEVICE_NAME] = pke_pairs_get(in->context, "DeviceName"),
        [PATTERN_ENT_DMID] = in->issued->ent_dmid,
    };

    t->upn = pattern_expand(in->conf->upn, values, UPN_MAX);
    t->device_name = pattern_expand(in->conf->device_name, values, DEVICE_NAME_MAX);
    t->server_list = server_list(&in->conf->management_servers);
    /* a criterion that finds nothing is a session without a certificate; how Windows writes several names is
     * not known (MS-MDE2 2.2.9.1: it is optional) */
    if (in->conf->search_criteria && !in->issued->more_names)
        t->subject = pke_asprintf("CN=%s", in->issued->subject_cn);
}

static bool is_device_store(const struct provision_input *in)
{
    const char *type = in->issued->enrollment_type;

    return type && strcasecmp(type, "Device") == 0;
}

static enum pke_err write_whole(const struct provision_input *in, struct provdoc *doc, struct pke_buf *out,
                                struct pke_fail *fail)
{
    PKE_CLEANUP(texts_done) struct texts texts = {0};

    make_texts(in, &texts);
    map_application(in, doc);
    map_dmclient(in->conf, doc);
    doc->fragment = in->secrets->fragment;
    doc->upn = texts.upn;
    doc->ent_device_name = texts.device_name;
    doc->server_list = texts.server_list;
    doc->search_subject = texts.subject;
    doc->ent_dmid = in->issued->ent_dmid;
    return provdoc_write(doc, out, fail);
}

enum pke_err provision_write(const struct provision_input *in, struct pke_buf *out, struct pke_fail *fail)
{
    char sha1[CATALOGUE_SHA1_HEX];
    struct provdoc doc = {.renewal = in->renewal, .with_ca = in->with_ca};

    if (!in->issuer || !in->conf || (!in->secrets && !in->renewal))
        return pke_fail_set(fail, PKE_INTERNAL, "provisioning-incomplete", "MS-MDE2 2.2.9.1",
                            "the issuing CA's certificate or the provisioning section is not known");
    doc.device_store = is_device_store(in);
    doc.root = node(&in->issuer->root);
    if (!in->issuer->self_signed)
        doc.intermediate = node(&in->issuer->ca);
    catalogue_sha1(in->issued->certificate, sha1);
    doc.certificate = (struct provdoc_certificate){in->issued->certificate, sha1};
    doc.provider_id = in->conf->provider_id;
    return in->renewal ? provdoc_write(&doc, out, fail) : write_whole(in, &doc, out, fail);
}
