/* SPDX-License-Identifier: Apache-2.0 */
/* Reply envelopes: one line, the shape that MDM clients are known to read (mdm.md 3, 8). */
#include "proto/ns.h"
#include "proto/soap.h"

/* The buffer remembers an overflow, so each append need not be tested. */
static void add(struct pke_buf *out, const char *s)
{
    (void)pke_buf_add_str(out, s);
}

static void add_escaped(struct pke_buf *out, const char *s)
{
    (void)xml_escape(out, s);
}

static void add_header(const struct soap_reply *r, struct pke_buf *out)
{
    add(out, "<s:Header><a:Action s:mustUnderstand=\"1\">");
    add_escaped(out, r->action);
    add(out, "</a:Action>");
    if (r->activity_id) {
        add(out, "<ActivityId CorrelationId=\"");
        add_escaped(out, r->activity_id);
        add(out, "\" xmlns=\"" NS_DIAG "\">");
        add_escaped(out, r->activity_id);
        add(out, "</ActivityId>");
    }
    if (r->relates_to) {
        add(out, "<a:RelatesTo>");
        add_escaped(out, r->relates_to);
        add(out, "</a:RelatesTo>");
    }
    if (r->created && r->expires) {
        add(out, "<o:Security s:mustUnderstand=\"1\" xmlns:o=\"" NS_WSSE "\">"
                 "<u:Timestamp u:Id=\"_0\" xmlns:u=\"" NS_WSU "\"><u:Created>");
        add_escaped(out, r->created);
        add(out, "</u:Created><u:Expires>");
        add_escaped(out, r->expires);
        add(out, "</u:Expires></u:Timestamp></o:Security>");
    }
    add(out, "</s:Header>");
}

enum pke_err soap_reply_write(const struct soap_reply *r, struct pke_bytes body, struct pke_buf *out)
{
    add(out, "<s:Envelope xmlns:s=\"" NS_SOAP "\" xmlns:a=\"" NS_WSA "\">");
    add_header(r, out);
    add(out, "<s:Body");
    if (r->body_attributes)
        add(out, r->body_attributes);
    add(out, ">");
    (void)pke_buf_add_bytes(out, body);
    add(out, "</s:Body></s:Envelope>");
    return out->overflow ? PKE_LIMIT : PKE_OK;
}
