/* SPDX-License-Identifier: Apache-2.0 */
/* The context items: what the device says about itself. */
#include "config.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "probe/message.h"

#define OS_VERSION "10.0.22631.3235"

static void write_item(struct pke_buf *out, const char *name, const char *value)
{
    pke_buf_printf(out, "<ac:ContextItem Name=\"%s\"><ac:Value>", name);
    message_escape(pke_bytes_str(value), out);
    pke_buf_add_str(out, "</ac:Value></ac:ContextItem>");
}

/* A usual item, unless --context says another value. */
static void add_item(const struct probe *p, struct pke_buf *out, const char *name, const char *value)
{
    if (!pke_pairs_get(&p->opt.context, name))
        write_item(out, name, value);
}

/* MAC address number @which of the device: locally administered, the same in every run of this device. */
static void add_mac(const struct probe *p, struct pke_buf *out, const uint8_t hash[32], unsigned which)
{
    char text[18];
    snprintf(text, sizeof text, "%02X-%02X-%02X-%02X-%02X-%02X", (hash[0] & 0xfcu) | 2u, hash[1], hash[2],
             hash[3], hash[4], (hash[5] + which) & 0xffu);
    add_item(p, out, "MAC", text);
}

static void add_device(const struct probe *p, struct pke_buf *out)
{
    char *named PKE_CLEANUP(pke_free_p) = pke_asprintf("DESKTOP-%.7s", p->device_id);
    uint8_t hash[32];
    char hardware[65];
    if (EVP_Digest(p->device_id, strlen(p->device_id), hash, NULL, EVP_sha256(), NULL) != 1)
        pke_oom();
    pke_hex(PKE_BYTES(hash, sizeof hash), true, hardware);
    add_item(p, out, "HWDevID", hardware);
    add_item(p, out, "Locale", "en-US");
    if (p->request != PROBE_RENEWAL)
        add_item(p, out, "TargetedUserLoggedIn", p->opt.type == PROBE_FULL ? "true" : "false");
    add_item(p, out, "OSEdition", "48");
    add_item(p, out, "DeviceName", p->opt.device_name ? p->opt.device_name : named);
    add_mac(p, out, hash, 0);
    add_mac(p, out, hash, 1);
    add_item(p, out, "DeviceID", p->device_id);
}

/* MS-MDE2 3.4.4.1.1.1: what a desktop that was enrolled from Settings says about itself; a renewal says less.
 */
void context_add(const struct probe *p, struct pke_buf *out)
{
    bool renewal = p->request == PROBE_RENEWAL;
    pke_buf_add_str(out,
                    "<ac:AdditionalContext xmlns=\"http://schemas.xmlsoap.org/ws/2006/12/authorization\">");
    if (!renewal)
        add_item(p, out, "UXInitiated", "true");
    add_device(p, out);
    add_item(p, out, "EnrollmentType", p->opt.type == PROBE_FULL ? "Full" : "Device");
    add_item(p, out, "DeviceType", "CIMClient_Windows");
    add_item(p, out, "OSVersion", OS_VERSION);
    add_item(p, out, "ApplicationVersion", OS_VERSION);
    if (!renewal) {
        add_item(p, out, "NotInOobe", "true");
        add_item(p, out, "RequestVersion", "4.0");
    }
    if (p->request == PROBE_RECOVERY && p->state.ent_dmid)
        add_item(p, out, "EmmDeviceId", p->state.ent_dmid);
    for (size_t i = 0; i < p->opt.context.n; i++)
        write_item(out, p->opt.context.v[i].name, p->opt.context.v[i].value);
    pke_buf_add_str(out, "</ac:AdditionalContext>");
}
