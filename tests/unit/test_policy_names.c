/* SPDX-License-Identifier: Apache-2.0 */
/* Names by rules of a template, and what a CSR asks for beside its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/asked.h"
#include "policy/names.h"

#define NOW 1700000000
#define SID "S-1-5-21-1-2-3-1104"

struct fixture {
    struct pke_arena *arena;
    struct policy_template t;
    struct policy_identity who;
    struct pke_pairs known, asked_names, unreadable;
    struct policy_request req;
    struct policy_decision d;
    struct policy_asked asked;
    struct pke_trail trail;
    struct pke_fail fail;
};

static void set(struct fixture *f, const char *name, const char *text)
{
    const struct pke_option *o = pke_option_find(policy_template_options, name, strlen(name));

    assert_non_null(o);
    if (o->type == PKE_OPT_STRINGS || o->type == PKE_OPT_OIDS)
        assert_int_equal(pke_option_append(o, &f->t, text, f->arena, &f->fail), PKE_OK);
    else
        assert_int_equal(pke_option_set(o, &f->t, text, NULL, f->arena, &f->fail), PKE_OK);
}

static int set_up(void **state)
{
    struct fixture *f = pke_calloc(1, sizeof *f);

    f->arena = pke_arena_new();
    f->t.name = "device";
    pke_option_defaults(policy_template_options, &f->t, f->arena);
    set(f, "issuer", "lab");
    set(f, "common-name", "Device");
    set(f, "allow", "*@corp.example");
    f->trail.arena = f->arena;
    f->who = (struct policy_identity){.tenant = "default",
                                      .principal = "ada@corp.example",
                                      .credential = "username",
                                      .attributes = &f->known,
                                      .mapped = &f->known};
    f->req = (struct policy_request){.identity = &f->who,
                                     .device_id = "DEV{1}",
                                     .enrollment_type = "Full",
                                     .ent_dmid = "0a1b",
                                     .key = {.type = "rsa", .bits = 2048, .digest = "sha256"},
                                     .asked = &f->asked_names,
                                     .trail = &f->trail};
    f->asked = (struct policy_asked){.names = &f->asked_names, .unreadable = &f->unreadable};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pke_arena_free(f->arena);
    free(f);
    return 0;
}

static enum pke_err decide(struct fixture *f)
{
    memset(&f->fail, 0, sizeof f->fail);
    return policy_decide(&f->t, &f->req, NOW, f->arena, &f->d, &f->fail);
}

static void know(struct fixture *f, const char *kind, const char *value)
{
    pke_pairs_add(&f->known, f->arena, kind, value);
}

static void refused(struct fixture *f, const char *reason)
{
    assert_int_equal(decide(f), PKE_POLICY);
    assert_string_equal(f->fail.reason, reason);
    assert_true(f->fail.rule[0] != '\0');
}

static void assert_list(const struct pke_pairs *list, const struct pke_pair *want, size_t n)
{
    for (size_t i = 0; i < n && i < list->n; i++)
        if (strcmp(list->v[i].name, want[i].name) != 0 || strcmp(list->v[i].value, want[i].value) != 0)
            fail_msg("%zu is %s %s, not %s %s", i, list->v[i].name, list->v[i].value, want[i].name,
                     want[i].value);
    assert_int_equal(list->n, n);
}

/* ---- rules as they are written ---- */

static const struct {
    const char *option, *text;
    const char *error; /* what the error says; NULL: none */
} rules[] = {
    {"subject-full", "O=Corp", NULL},
    {"subject-full", "OU?={email}", NULL},
    {"subject-full", "C=DE", NULL},
    {"subject-full", "DC=corp", NULL},
    {"subject-full", "serialNumber={device-id}", NULL},
    {"subject-full", "UID={user-id}", NULL},
    {"subject-full", "C=Deutschland", "value of its type"},
    {"subject-full", "C=de", "value of its type"},
    {"subject-full", "CN=second", "exactly one CN"},
    {"subject-full", "emailAddress={email}", "not TYPE=PATTERN"},
    {"subject-full", "O", "not TYPE=PATTERN"},
    {"subject-full", "=x{upn}", "not TYPE=PATTERN"},
    {"subject-full", "OU={csr}", "unknown placeholder"},
    {"subject-full", "OU={upn", "unknown placeholder"},
    {"subject-full", "OU=upn}", "unknown placeholder"},
    {"subject-device", "OU={dns} {email}", "two of"},
    {"san", "dns:{dns}", NULL},
    {"san", "dns?:{dns}", NULL},
    {"san", "dns:www.corp.example", NULL},
    {"san", "email:{email}", NULL},
    {"san", "upn:{upn}", NULL},
    {"san", "guid?:{guid}", NULL},
    {"san", "sid-uri:{sid}", NULL},
    {"san", "uri:{uri}", NULL},
    {"san", "uri:urn:example:device:{device-id}", NULL},
    {"san", "uri:https://corp.example/{ent-dmid}/{device-id}", NULL},
    {"san", "ip:10.0.0.1", "not KIND:PATTERN"},
    {"san", "dns", "not KIND:PATTERN"},
    {"san", "dns:{name}", "unknown placeholder"},
    {"san", "dns:*.corp.example", "value of its kind"},
    {"san", "dns:{device-id}.corp.example", "client's word"},
    {"san", "upn:{device-id}@corp.example", "client's word"},
    {"san", "email:{device-id}@corp.example", "client's word"},
    {"san", "sid-uri:{device-id}", "client's word"},
    {"san", "guid:{device-id}", "client's word"},
    {"san", "sid-uri:S-1-5-21-1", "{sid} and nothing else"},
    {"san", "guid:12345678-1234-1234-1234-123456789abc", "{guid} and nothing else"},
    {"san", "uri:{device-id}:x", "begin as urn"},
    {"san", "uri:no-scheme", "begin as urn"},
    {"san", "uri:1urn:x", "begin as urn"},
    {"san", "uri::x", "begin as urn"},
    {"san", "uri:urn:", "begin as urn"},
    {"san", "uri:urn:a b", "character"},
    {"san", "uri:urn:\xc3\xa9", "character"},
    {"san", "uri:urn:x:{uri}", "stands alone"},
    {"san", "uri:TAG:microsoft.com,2022-09-14:SID:{device-id}", "security identifier"},
    {"san", "uri:urn:x:{device-id", "unknown placeholder"},
    {"from-csr", "dns", NULL},
    {"from-csr", "upn", NULL},
    {"from-csr", "sid", "not dns, email, upn or uri"},
    {"from-csr", "eku", "not dns, email, upn or uri"},
};

static void test_rules(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rules); i++) {
        struct policy_template t = f->t;
        const struct pke_option *o =
            pke_option_find(policy_template_options, rules[i].option, strlen(rules[i].option));
        struct pke_fail fail = {0};
        enum pke_err err;

        assert_int_equal(pke_option_append(o, &t, rules[i].text, f->arena, &fail), PKE_OK);
        err = policy_template_check(&t, &fail);
        if (!rules[i].error && err != PKE_OK)
            fail_msg("%s %s: %s", rules[i].option, rules[i].text, fail.text);
        if (rules[i].error && (err != PKE_CONFIG || !strstr(fail.text, rules[i].error) ||
                               strncmp(fail.text, rules[i].option, strlen(rules[i].option)) != 0))
            fail_msg("%s %s: not refused as it should be: %s", rules[i].option, rules[i].text, fail.text);
    }
}

/* ---- values ---- */

static void test_values(void **state)
{
    static const struct {
        const char *kind, *value;
        bool valid;
    } rows[] = {
        {"dns", "a.corp.example", true},
        {"dns", "xn--bcher-kva.example", true},
        {"dns", "a", true},
        {"dns", "", false},
        {"dns", "a..b", false},
        {"dns", "a.b.", false},
        {"dns", "-a.b", false},
        {"dns", "a-.b", false},
        {"dns", "a_b.c", false},
        {"dns", "*.a.b", false},
        {"dns", "a b.c", false},
        {"dns", "10.0.0.1", false},
        {"dns", "b\xc3\xbc.example", false},
        {"dns", "a234567890123456789012345678901234567890123456789012345678901234.b", false},
        {"email", "ada@corp.example", true},
        {"email", "a.b+c@corp.example", true},
        {"email", "ada@@corp.example", false},
        {"email", "ada corp.example", false},
        {"email", ".ada@corp.example", false},
        {"email", "ada.@corp.example", false},
        {"email", "a..b@corp.example", false},
        {"email", "ada@", false},
        {"email", "@corp.example", false},
        {"email", "\"a b\"@corp.example", false},
        {"upn", "ada@corp.example", true},
        {"upn", "\xc3\xa9l\xc3\xa8ve@corp.example", true},
        {"upn", "ada", false},
        {"upn", "ada@corp.example@evil.example", false},
        {"upn", "a da@corp.example", false},
        {"upn", "ada\n@corp.example", false},
        {"upn", "ada\xe2\x80\xae@corp.example", false},
        {"uri", "urn:x:y", true},
        {"uri", "https://corp.example/%7Ba%7D", true},
        {"uri", "x", false},
        {"uri", "urn:{x}", false},
        {"uri", "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1", false},
        {"uri", "TAG:Microsoft.com,2022-09-14:SID:S-1-5-21-1", false},
        {"guid", "12345678-1234-abcd-1234-123456789abc", true},
        {"guid", "{12345678-1234-abcd-1234-123456789abc}", false},
        {"guid", "12345678", false},
        {"sid", "S-1-5-21-1-2-3-500", true},
        {"sid", "S-1-5", false},
        {"sid", "S-1-5-21-", false},
        {"sid", "s-1-5-21", false},
        {"sid", "S-1-5-4294967296", false},
        {"sid", "S-1-5-021", false},
        {"sid", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", false},
        {"C", "DE", true},
        {"C", "D1", false},
        {"C", "DEU", false},
        {"O", "Corp & Sons", true},
        {"O", "Corp\n", false},
        {"DC", "corp", true},
        {"DC", "corp.example", false},
        {"serialNumber", "ABC-1", true},
        {"serialNumber", "A*", false},
        {"x400", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < PKE_LEN(rows); i++)
        if (policy_name_valid(rows[i].kind, rows[i].value) != rows[i].valid)
            fail_msg("%s \"%s\" should be %s", rows[i].kind, rows[i].value,
                     rows[i].valid ? "valid" : "refused");
}

static void test_all_kinds(void **state)
{
    static const struct pke_pair subject[] = {
        {"CN", "ada@corp.example"}, {"OU", "Users"}, {"O", "Corp"}, {"C", "DE"}};
    static const struct pke_pair san[] = {
        {"dns", "a.corp.example"},        {"dns", "b.corp.example"},
        {"dns", "c.corp.example"},        {"email", "ada.l@corp.example"},
        {"upn", "ada@corp.example"},      {"guid", "12345678-1234-abcd-1234-123456789abc"},
        {"uri", "urn:d:DEV%7B1%7D:0a1b"}, {"uri", PKE_SID_URI_PREFIX SID}};
    struct fixture *f = *state;
    size_t explained = 0;

    set(f, "subject-full", "OU=Users");
    set(f, "subject-full", "O=Corp");
    set(f, "subject-full", "C=DE");
    set(f, "san", "dns:{dns}");
    set(f, "san", "email:{email}");
    set(f, "san", "upn:{upn}");
    set(f, "san", "guid:{guid}");
    set(f, "san", "uri:urn:d:{device-id}:{ent-dmid}");
    set(f, "san", "sid-uri:{sid}");
    for (int i = 0; i < 4; i++)
        know(f, san[i].name, san[i].value);
    know(f, "upn", "ada@corp.example");
    know(f, "guid", san[5].value);
    know(f, "sid", SID);
    assert_int_equal(policy_template_check(&f->t, &f->fail), PKE_OK);
    assert_int_equal(decide(f), PKE_OK);
    assert_list(&f->d.subject, subject, PKE_LEN(subject));
    assert_list(&f->d.san, san, PKE_LEN(san));
    assert_string_equal(f->d.sid, SID);
    assert_string_equal(f->d.subject_cn, "ada@corp.example");
    for (size_t i = 0; i < f->trail.n; i++)
        if (f->trail.v[i].outcome == PKE_TRAIL_TAKEN && f->trail.v[i].value && f->trail.v[i].source)
            explained++;
    assert_int_equal(explained, PKE_LEN(subject) + PKE_LEN(san) + 1); /* each value */
}

static void test_missing_values(void **state)
{
    static const char *const kinds[] = {"dns:{dns}", "email:{email}", "uri:{uri}",
                                        "upn:{upn}", "guid:{guid}",   "sid-uri:{sid}"};
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(kinds); i++) {
        const char *colon = strchr(kinds[i], ':');

        f->t.san = (struct pke_strings){0};
        set(f, "san", kinds[i]);
        refused(f, "san-value");
        f->t.san = (struct pke_strings){0};
        set(f, "san", pke_arena_printf(f->arena, "%.*s?%s", (int)(colon - kinds[i]), kinds[i], colon));
        assert_int_equal(decide(f), PKE_OK);
        assert_int_equal(f->d.san.n, 0);
    }
    set(f, "subject-full", "OU?={email}");
    assert_int_equal(decide(f), PKE_OK);
    assert_int_equal(f->d.subject.n, 1);
    set(f, "subject-full", "OU={email}");
    refused(f, "subject-value");
    know(f, "email", "a@corp.example");
    assert_int_equal(decide(f), PKE_OK);
    know(f, "email", "b@corp.example"); /* none is the first */
    refused(f, "subject-value");
}

/* A principal is a UPN as a name to show; as a name that logs on only what the identity has. */
static void test_upn_is_strict_in_a_san(void **state)
{
    struct fixture *f = *state;

    set(f, "san", "upn?:{upn}");
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.subject_cn, "ada@corp.example");
    assert_int_equal(f->d.san.n, 0);
    know(f, "upn", "map@corp.example"); /* and the map goes before the credential */
    f->who.upn = "credential@corp.example";
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.san.v[0].value, "map@corp.example");
    assert_string_equal(f->d.subject_cn, "map@corp.example");
}

static void test_sid(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(decide(f), PKE_OK);
    assert_null(f->d.sid);
    assert_int_equal(f->trail.v[f->trail.n - 1].outcome, PKE_TRAIL_NOTED);
    set(f, "sid-extension", "require");
    refused(f, "sid-missing");
    know(f, "sid", SID);
    assert_int_equal(decide(f), PKE_OK);
    assert_string_equal(f->d.sid, SID);
    set(f, "sid-extension", "no");
    assert_int_equal(decide(f), PKE_OK);
    assert_null(f->d.sid);
}

static void test_from_csr_needs_the_identitys_word(void **state)
{
    static const struct pke_pair want[] = {{"dns", "b.corp.example"}, {"dns", "c.corp.example"}};
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++)
        know(f, "dns", (const char *[]){"a.corp.example", "b.corp.example", "c.corp.example"}[i]);
    know(f, "sid", SID);
    for (int i = 0; i < 4; i++)
        pke_pairs_add(
            &f->asked_names, f->arena, "dns",
            (const char *[]){"B.corp.example", "evil.example", "c.corp.example", "b.corp.example"}[i]);
    pke_pairs_add(&f->asked_names, f->arena, "email", "ada@corp.example");
    assert_int_equal(decide(f), PKE_OK);
    assert_int_equal(f->d.san.n, 0); /* the template names nothing */
    set(f, "from-csr", "dns");
    set(f, "from-csr", "email");
    assert_int_equal(decide(f), PKE_OK);
    assert_list(&f->d.san, want, PKE_LEN(want)); /* each name on its own, whatever stands before it */
    f->who.mapped = NULL;                        /* what a credential says is not enough */
    assert_int_equal(decide(f), PKE_OK);
    assert_int_equal(f->d.san.n, 0);
}

/* Whatever the order of values and rules, the verdict and the set of names are the same. */
static void test_permutations(void **state)
{
    static const char *const values[] = {"a.corp.example", "b.corp.example", "c.corp.example", "-bad"};
    struct fixture *f = *state;

    set(f, "san", "dns:{dns}");
    for (int bad = 0; bad < 2; bad++) {
        for (int p = 0; p < 24; p++) {
            int left[] = {0, 1, 2, 3}, n = 4, code = p;

            f->known = (struct pke_pairs){0};
            for (int i = 0; i < 4; i++) {
                int at = code % n, pick = left[at];

                code /= n;
                left[at] = left[--n];
                if (pick != 3 || bad)
                    know(f, "dns", values[pick]);
            }
            if (bad) {
                refused(f, "san-value");
                continue;
            }
            assert_int_equal(decide(f), PKE_OK);
            for (int i = 0; i < 3; i++)
                assert_true(policy_names_have(&f->d.san, "dns", values[i]));
            assert_int_equal(f->d.san.n, 3);
        }
    }
}

static void test_record_and_back(void **state)
{
    struct fixture *f = *state;
    struct policy_decision back = {0};
    struct pke_pairs names;

    set(f, "subject-full", "O=Corp");
    set(f, "san", "dns:{dns}");
    know(f, "dns", "a.corp.example");
    know(f, "sid", SID);
    assert_int_equal(decide(f), PKE_OK);
    names = policy_names_record(&f->d, f->arena);
    assert_int_equal(names.n, 4);
    assert_int_equal(policy_names_recorded(&names, f->arena, &back, &f->fail), PKE_OK);
    assert_list(&back.subject, f->d.subject.v, f->d.subject.n);
    assert_list(&back.san, f->d.san.v, f->d.san.n);
    assert_string_equal(back.sid, SID);
    assert_string_equal(back.subject_cn, "ada@corp.example");
}

static void recorded(struct fixture *f, const char *kind, const char *value, bool unchanged)
{
    struct pke_pair v[] = {{"CN", "ada"}, {kind, value}};
    struct pke_pairs names = {v, 2};

    if ((policy_names_unchanged(&f->t, &f->req, &names, f->arena, &f->fail) == PKE_OK) != unchanged)
        fail_msg("%s %s should be %s", kind, value, unchanged ? "kept" : "refused");
}

/* A name that gives rights is renewed only as the map has it today; what a rule makes of something else
 * stays. */
static void test_renewal_follows_the_map(void **state)
{
    struct fixture *f = *state;

    recorded(f, "dns", "old.corp.example", true); /* the map says nothing of the kind */
    know(f, "dns", "new.corp.example");
    know(f, "uri", "urn:person:1");
    know(f, "sid", SID);
    know(f, "upn", "ada@corp.example");
    recorded(f, "dns", "old.corp.example", false);
    recorded(f, "dns", "NEW.corp.example", true);
    recorded(f, "upn", "eve@corp.example", false);
    recorded(f, "sid", "S-1-5-21-9", false);
    recorded(f, "sid", SID, true);
    recorded(f, "uri", PKE_SID_URI_PREFIX "S-1-5-21-9", false);
    recorded(f, "uri", PKE_SID_URI_PREFIX SID, true);
    recorded(f, "uri", "urn:d:DEV%7B1%7D", false);
    set(f, "san", "uri:urn:d:{device-id}");
    set(f, "san", "dns:vpn.corp.example");
    recorded(f, "uri", "urn:d:DEV%7B1%7D", true);
    recorded(f, "dns", "vpn.corp.example", true);
    recorded(f, "O", "Corp", true);
}

/* ---- what a CSR asks for ---- */

static enum pke_err ask(struct fixture *f)
{
    memset(&f->fail, 0, sizeof f->fail);
    assert_int_equal(decide(f), PKE_OK);
    f->trail.n = 0;
    return policy_asked_check(&f->t, &f->asked, &f->d, &f->trail, &f->fail);
}

/* Refused with this reason; with csr-disallowed: strip dropped and said so. */
static void denied_or_stripped(struct fixture *f, const char *reason)
{
    set(f, "csr-disallowed", "deny");
    assert_int_equal(ask(f), PKE_CSR_BAD);
    assert_string_equal(f->fail.reason, reason);
    assert_true(f->fail.rule[0] != '\0');
    set(f, "csr-disallowed", "strip");
    assert_int_equal(ask(f), PKE_OK);
    assert_true(f->trail.n > 0);
    assert_int_equal(f->trail.v[0].outcome, PKE_TRAIL_DROPPED);
}

static void test_names_asked_for(void **state)
{
    static const struct {
        const char *kind, *value, *reason; /* NULL: dropped */
        bool subject, unreadable;
    } rows[] = {
        {"CN", "Administrator", NULL, true, false},
        {"O", "Domain Admins", NULL, true, false},
        {"dns", "dc01.corp.example", NULL, false, false},
        {"email", "eve@corp.example", NULL, false, false},
        {"ip", "10.0.0.1", NULL, false, false},
        {"dn", "CN=x", NULL, false, false},
        {"guid", "12345678-1234-abcd-1234-123456789abc", NULL, false, false},
        {"uri", "urn:x", NULL, false, false},
        {"upn", "administrator@corp.example", "csr-asks-upn", false, false},
        {"sid", "S-1-5-21-1-2-3-500", "csr-asks-sid", false, false},
        {"sid-uri", PKE_SID_URI_PREFIX "S-1-5-21-1-2-3-500", "csr-asks-sid", false, false},
        {"upn", "6164", "csr-asks-name", false, true},
        {"sid", "3000", "csr-asks-name", false, true},
        {"otherName", "01", "csr-asks-name", false, true},
        {"dns", "6100", NULL, false, true},
        {"CN", "6100", NULL, true, true},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        f->asked_names = f->unreadable = (struct pke_pairs){0};
        pke_pairs_add(rows[i].unreadable ? &f->unreadable : &f->asked_names, f->arena, rows[i].kind,
                      rows[i].value);
        f->asked.n_subject = rows[i].subject && !rows[i].unreadable ? 1 : 0;
        if (rows[i].reason) {
            denied_or_stripped(f, rows[i].reason);
            continue;
        }
        set(f, "csr-disallowed", "deny");
        if (ask(f) != PKE_OK)
            fail_msg("%s %s: %s", rows[i].kind, rows[i].value, f->fail.text);
        assert_int_equal(f->trail.n, 1);
        assert_int_equal(f->trail.v[0].outcome, PKE_TRAIL_DROPPED);
    }
}

/* Who asks for what it gets anyway has asked for nothing. */
static void test_agreed(void **state)
{
    struct fixture *f = *state;

    set(f, "san", "upn:{upn}");
    set(f, "san", "sid-uri:{sid}");
    know(f, "upn", "ada@corp.example");
    know(f, "sid", SID);
    pke_pairs_add(&f->asked_names, f->arena, "CN", "ada@corp.example");
    pke_pairs_add(&f->asked_names, f->arena, "upn", "Ada@corp.example");
    pke_pairs_add(&f->asked_names, f->arena, "sid", SID);
    pke_pairs_add(&f->asked_names, f->arena, "sid-uri", PKE_SID_URI_PREFIX SID);
    f->asked.n_subject = 1;
    f->asked.template_name = "Device";
    assert_int_equal(ask(f), PKE_OK);
    assert_int_equal(f->trail.n, 4);
    for (size_t i = 0; i < f->trail.n; i++)
        assert_int_equal(f->trail.v[i].outcome, PKE_TRAIL_NOTED);
}

static struct pke_strings list_of(struct fixture *f, const char *a, const char *b)
{
    struct pke_strings ret = {0};

    pke_strings_add(&ret, f->arena, a);
    if (b)
        pke_strings_add(&ret, f->arena, b);
    return ret;
}

static void test_usages_asked_for(void **state)
{
    struct fixture *f = *state;
    struct pke_strings none = {0}, good = list_of(f, "1.3.6.1.5.5.7.3.2", NULL),
                       agent = list_of(f, "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.1"),
                       all = list_of(f, "2.5.29.37.0", NULL), level = list_of(f, "1.2.3", NULL);

    f->asked.ekus = &good;
    f->asked.application_policies = &good; /* as Windows does */
    f->asked.certificate_policies = &none;
    assert_int_equal(ask(f), PKE_OK);
    f->asked.ekus = &agent;
    denied_or_stripped(f, "csr-eku");
    f->asked.ekus = &all;
    denied_or_stripped(f, "csr-eku");
    f->asked.ekus = &good;
    f->asked.application_policies = &agent;
    denied_or_stripped(f, "csr-asks-application-policy");
    f->asked.application_policies = NULL;
    f->asked.certificate_policies = &level;
    denied_or_stripped(f, "csr-asks-policy");
    set(f, "certificate-policies", "1.2.3");
    set(f, "csr-disallowed", "deny");
    assert_int_equal(ask(f), PKE_OK);
}

static void test_extensions_asked_for(void **state)
{
    static const struct {
        const char *oid, *reason; /* NULL: dropped or looked at */
        bool critical, readable;
    } rows[] = {
        {"2.5.29.14", NULL, false, false},
        {"2.5.29.15", NULL, true, true},
        {"2.5.29.17", NULL, true, true},
        {"2.5.29.17", "csr-asks-name", false, false},
        {"2.5.29.19", NULL, true, true},
        {"2.5.29.30", "csr-asks-constraint", true, false},
        {"2.5.29.33", "csr-asks-constraint", false, false},
        {"2.5.29.36", "csr-asks-constraint", true, false},
        {"2.5.29.54", "csr-asks-constraint", true, false},
        {"2.5.29.35", "csr-asks-issuer", false, false},
        {"2.5.29.31", "csr-asks-issuer", false, false},
        {"2.5.29.46", "csr-asks-issuer", false, false},
        {"1.3.6.1.5.5.7.1.1", "csr-asks-issuer", false, false},
        {"1.3.6.1.4.1.311.25.2", "csr-asks-sid", false, false},
        {"1.3.6.1.4.1.311.21.10", "csr-asks-application-policy", false, false},
        {"1.3.6.1.4.1.311.21.7", "csr-asks-template", false, false},
        {"1.3.6.1.4.1.311.20.2", "csr-asks-template", false, false},
        {"1.3.6.1.4.1.311.66.1.0", NULL, false, false},
        {"1.2.3.4.5", NULL, false, false},
        {"1.2.3.4.5", "csr-asks-critical", true, false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PKE_LEN(rows); i++) {
        struct policy_asked_extension e = {rows[i].oid, rows[i].critical, rows[i].readable};

        f->asked.ext = &e;
        f->asked.n_ext = 1;
        set(f, "csr-disallowed", "deny");
        if (rows[i].reason)
            denied_or_stripped(f, rows[i].reason);
        else if (ask(f) != PKE_OK)
            fail_msg("%s: %s", rows[i].oid, f->fail.text);
    }
}

static void test_templates_and_cas_asked_for(void **state)
{
    struct fixture *f = *state;

    f->asked.ca = true;
    denied_or_stripped(f, "csr-asks-ca");
    f->asked.ca = false;
    f->asked.template_name = "SubCA";
    denied_or_stripped(f, "csr-asks-template");
    f->asked.template_name = NULL;
    f->asked.template_oid = "1.2.3.4";
    denied_or_stripped(f, "csr-asks-template");
    set(f, "template-extension", "oid");
    set(f, "template-oid", "1.2.3.4");
    set(f, "csr-disallowed", "deny");
    assert_int_equal(ask(f), PKE_OK);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rules),
        T(test_values),
        T(test_all_kinds),
        T(test_missing_values),
        T(test_upn_is_strict_in_a_san),
        T(test_sid),
        T(test_from_csr_needs_the_identitys_word),
        T(test_permutations),
        T(test_record_and_back),
        T(test_renewal_follows_the_map),
        T(test_names_asked_for),
        T(test_agreed),
        T(test_usages_asked_for),
        T(test_extensions_asked_for),
        T(test_templates_and_cas_asked_for),
    };

    return cmocka_run_group_tests_name("policy names", tests, NULL, NULL);
}
