/* SPDX-License-Identifier: Apache-2.0 */
/* proto/xmltree.h: what is refused before and while parsing (checklist 10, attacks A05 and A06), memory,
 * escaping. */
#include "test_proto_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/limits.h"

#define MEMORY_CEILING (2u << 20) /* of libxml2, for any document that fits LIMIT_XML_BODY */
#define TIME_CEILING_S 2 /* generous: sanitizers, a shared machine; the unbounded cases take minutes */

static void refused_bytes(const void *p, size_t n, enum pke_err want, const char *reason)
{
    struct xml_node *root;
    enum pke_err err = test_tree(p, n, &root);

    if (err != want || strcmp(test_fail.reason, reason) != 0)
        fail_msg("%.60s: got %s %s, want %s %s", (const char *)p, pke_err_token(err), test_fail.reason,
                 pke_err_token(want), reason);
    assert_null(root);
    assert_true(*test_fail.rule && *test_fail.text);
}

static void refused(const char *s, enum pke_err want, const char *reason)
{
    refused_bytes(s, strlen(s), want, reason);
}

static struct xml_node *accepted(const char *s)
{
    struct xml_node *root;

    if (test_tree(s, strlen(s), &root) != PKE_OK)
        fail_msg("%.60s: refused: %s", s, test_fail.text);
    return root;
}

/* @p unit repeated: %u in it is the number of the repetition. */
static char *repeat(const char *head, const char *unit, unsigned count, const char *tail)
{
    size_t room = strlen(head) + strlen(tail) + count * (strlen(unit) + 8) + 1;
    char *s = pke_arena_alloc(test_arena, room);
    size_t n = (size_t)sprintf(s, "%s", head);
    const char *mark = strstr(unit, "%u");

    for (unsigned i = 0; i < count; i++)
        n += mark ? (size_t)sprintf(s + n, "%.*s%u%s", (int)(mark - unit), unit, i, mark + 2)
                  : (size_t)sprintf(s + n, "%s", unit);
    sprintf(s + n, "%s", tail);
    return s;
}

/* 10: every document type declaration, whatever it declares. */
static void test_10_doctype(void **state)
{
    (void)state;
    refused("<!DOCTYPE a><a/>", PKE_MALFORMED, "xml-doctype");
    refused("<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"http://127.0.0.1:9/x.dtd\"><a/>", PKE_MALFORMED,
            "xml-doctype");
    refused("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", PKE_MALFORMED,
            "xml-doctype");
    refused("<!-- c --><!DOCTYPE a [<!ENTITY % p SYSTEM \"file:///etc/passwd\">%p;]><a/>", PKE_MALFORMED,
            "xml-doctype");
    refused("<a><!DOCTYPE a></a>", PKE_MALFORMED, "xml-doctype");
    refused("<!ENTITY x \"y\"><a/>", PKE_MALFORMED, "xml-doctype");
    refused("<a>&x;</a>", PKE_MALFORMED, "xml-entity");
    refused("<a b=\"&x;\"/>", PKE_MALFORMED, "xml-entity");
}

static void bounded(const char *s, enum pke_err want, const char *reason)
{
    struct timespec from, to;
    size_t before = xml_memory_used();

    xml_memory_peak_reset();
    clock_gettime(CLOCK_MONOTONIC, &from);
    refused(s, want, reason);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true(xml_memory_peak() - before < MEMORY_CEILING);
    assert_true(to.tv_sec - from.tv_sec < TIME_CEILING_S);
}

/* 10: bombs, with the memory of libxml2 and the time bounded. */
static void test_10_bombs(void **state)
{
    char *s;

    (void)state;
    s = repeat("<!DOCTYPE a [<!ENTITY e0 \"lollollol\">",
               "<!ENTITY e \"&e0;&e0;&e0;&e0;&e0;&e0;&e0;&e0;&e0;&e0;\">", 9, "]><a>&e;</a>");
    bounded(s, PKE_MALFORMED, "xml-doctype");
    s = repeat("<!DOCTYPE a [<!ENTITY e \"", "xxxxxxxxxx", 8000, "\">]><a>");
    bounded(repeat(s, "&e;", 20000, "</a>"), PKE_MALFORMED, "xml-doctype");
    bounded(repeat("<a ", "b%u='' ", 20000, "/>"), PKE_LIMIT, "xml-attributes");
    bounded(repeat("<a ", "xmlns:b%u='u' ", 10000, "/>"), PKE_LIMIT, "xml-attributes");
    bounded(repeat("<a>", "<b c='%u'/>", 10000, "</a>"), PKE_LIMIT, "xml-attributes");
    bounded(repeat("", "<a>", 60000, ""), PKE_LIMIT, "xml-depth");
    bounded(repeat("<a>", "<b/>", 60000, "</a>"), PKE_LIMIT, "xml-elements");
    bounded(repeat("<a>", "0123456789", 20000, "</a>"), PKE_LIMIT, "xml-text");
    bounded(repeat("<a>", "0123456789", 27000, "</a>"), PKE_LIMIT, "xml-size");
    bounded(repeat("<", "aaaaaaaaaa", 6000, "/>"), PKE_MALFORMED,
            "xml-not-well-formed"); /* a name of 60 kB */
}

/* 10: exactly at each limit a document is accepted, one beyond it is refused. */
static void test_10_limits_are_exact(void **state)
{
    char *s;

    (void)state;
    s = repeat(repeat("", "<a>", LIMIT_XML_DEPTH, ""), "</a>", LIMIT_XML_DEPTH, "");
    accepted(s);
    s = repeat(repeat("", "<a>", LIMIT_XML_DEPTH + 1, ""), "</a>", LIMIT_XML_DEPTH + 1, "");
    refused(s, PKE_LIMIT, "xml-depth");
    accepted(repeat("<a>", "<b/>", LIMIT_XML_ELEMENTS - 1, "</a>"));
    refused(repeat("<a>", "<b/>", LIMIT_XML_ELEMENTS, "</a>"), PKE_LIMIT, "xml-elements");
    accepted(repeat("<a ", "b%u='>=' ", LIMIT_XML_ATTRIBUTES, "/>"));
    refused(repeat("<a ", "b%u='>=' ", LIMIT_XML_ATTRIBUTES + 1, "/>"), PKE_LIMIT, "xml-attributes");
    accepted(repeat("<a>", "<b c='%u'/>", LIMIT_XML_ATTR_TOTAL, "</a>"));
    refused(repeat("<a>", "<b c='%u'/>", LIMIT_XML_ATTR_TOTAL + 1, "</a>"), PKE_LIMIT, "xml-attributes");
    accepted(repeat("<a>", "=", 1000, "</a>")); /* no attributes, however many signs */
    assert_int_equal(accepted(repeat("<a>", "x", LIMIT_XML_TEXT, "</a>"))->text_len, LIMIT_XML_TEXT);
    refused(repeat("<a>", "x", LIMIT_XML_TEXT + 1, "</a>"), PKE_LIMIT, "xml-text");
    s = repeat("<a><b>", "x", LIMIT_XML_BODY / 2,
               repeat("</b><b>", "y", LIMIT_XML_BODY / 2 - 21, "</b></a>"));
    assert_int_equal(strlen(s), LIMIT_XML_BODY);
    accepted(s);
    refused(repeat(s, " ", 1, ""), PKE_LIMIT, "xml-size");
}

/* 10: UTF-8 and nothing else; a byte order mark of UTF-8 is skipped. */
static void test_10_encodings(void **state)
{
    static const char utf16le[] = "\xff\xfe<\0a\0/\0>\0";
    static const char utf16be[] = "\xfe\xff\0<\0a\0/\0>";
    static const char utf16_bare[] = "<\0a\0/\0>\0";
    static const char utf32[] = "\0\0\xfe\xff\0\0\0<\0\0\0a\0\0\0/\0\0\0>";
    static const char ebcdic[] =
        "\x4c\x6f\xa7\x94\x93\x40\xa5\x85\x99\xa2\x89\x96\x95\x7e\x7f\xf1\x4b\xf0\x7f\x6f\x6e"
        "\x4c\x81\x61\x6e"; /* <?xml version="1.0"?><a/> in IBM037 */
    static const char *const declared[] = {"ISO-8859-1", "UTF-16", "UTF-7", "utf-8 ",
                                           "US-ASCII",   "IBM037", ""};

    (void)state;
    refused_bytes(utf16le, sizeof utf16le - 1, PKE_MALFORMED, "xml-encoding");
    refused_bytes(utf16be, sizeof utf16be - 1, PKE_MALFORMED, "xml-encoding");
    refused_bytes(utf16_bare, sizeof utf16_bare - 1, PKE_MALFORMED, "xml-encoding");
    refused_bytes(utf32, sizeof utf32 - 1, PKE_MALFORMED, "xml-encoding");
    refused_bytes(ebcdic, sizeof ebcdic - 1, PKE_MALFORMED, "xml-encoding");
    refused("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>", PKE_MALFORMED, "xml-encoding");
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++) {
        refused(pke_arena_printf(test_arena, "<?xml version='1.0' encoding='%s'?><a/>", declared[i]),
                PKE_MALFORMED, "xml-encoding");
        refused(pke_arena_printf(test_arena, "<?xml version = \"1.0\" encoding = \"%s\" ?><a/>", declared[i]),
                PKE_MALFORMED, "xml-encoding");
    }
    refused("<a>\xe9</a>", PKE_MALFORMED, "xml-encoding");
    refused("<a>\xc0\xbc</a>", PKE_MALFORMED, "xml-encoding");     /* overlong '<' */
    refused("<a>\xed\xa0\x80</a>", PKE_MALFORMED, "xml-encoding"); /* a surrogate */
    refused("<a>\xf4\x90\x80\x80</a>", PKE_MALFORMED, "xml-encoding");
    refused_bytes("<a>\0</a>", 8, PKE_MALFORMED, "xml-encoding");
    refused_bytes("<a/>\0", 5, PKE_MALFORMED, "xml-encoding");
    assert_string_equal(
        accepted("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"Utf-8\"?><a>\xc3\xa9</a>")->text, "\xc3\xa9");
    refused("\xef\xbb\xbf\xef\xbb\xbf<a/>", PKE_MALFORMED, "xml-not-well-formed");
    accepted("<?xml version='1.0' standalone='yes'?>\r\n<a/>\r\n");
    accepted("  <a/> ");
}

/* 10: XML 1.1, broken declarations, instructions. */
static void test_10_declarations(void **state)
{
    (void)state;
    refused("<?xml version=\"1.1\"?><a/>", PKE_MALFORMED, "xml-version");
    refused("<?xml version='2.0' encoding='utf-8'?><a/>", PKE_MALFORMED, "xml-version");
    refused("<?xml encoding='utf-8'?><a/>", PKE_MALFORMED, "xml-not-well-formed");
    refused("<?xml version='1.0'", PKE_MALFORMED, "xml-declaration");
    refused(" <?xml version='1.0'?><a/>", PKE_MALFORMED, "xml-pi");
    refused("<?xml version='1.0'?><?xml version='1.0'?><a/>", PKE_MALFORMED, "xml-pi");
    refused("<?xml-stylesheet href='file:///etc/passwd'?><a/>", PKE_MALFORMED, "xml-pi");
    refused("<a><?php x ?></a>", PKE_MALFORMED, "xml-pi");
    refused("<a/><?x?>", PKE_MALFORMED, "xml-pi");
}

/* 10: not well-formed in the ways that parsers are known to let through. */
static void test_10_not_well_formed(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "<a/><a/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a>&#0;</a>",
        "<a>&#1;</a>",
        "<a>&#xFFFE;</a>",
        "<a>]]></a>",
        "<a>\x01</a>",
        "<a>\xef\xbf\xbe</a>",
        "<a>& </a>",
        "<a b='<'/>",
        "<1/>",
        "<a><b></a></b>",
        "<a>&#x110000;</a>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i], PKE_MALFORMED, "xml-not-well-formed");
    refused("<a", PKE_MALFORMED, "xml-truncated");
    refused("<a b='", PKE_MALFORMED, "xml-truncated");
    refused("<a><!-- -</a>", PKE_MALFORMED, "xml-truncated");
    refused("<a><![CDATA[x]]</a>", PKE_MALFORMED, "xml-truncated");
}

/* A05: prefixes that are undeclared, or were declared by an earlier document. */
static void test_a05_namespaces(void **state)
{
    struct xml_node *n;

    (void)state;
    refused("<x:a/>", PKE_MALFORMED, "xml-namespace");
    refused("<a x:b='1'/>", PKE_MALFORMED, "xml-namespace");
    refused("<a xmlns:x='u'><b/></a><x:c/>", PKE_MALFORMED, "xml-not-well-formed");
    refused("<x:a/>", PKE_MALFORMED, "xml-namespace"); /* after a document that ended inside x's scope */
    refused("<a xmlns:x='u'><x:b>", PKE_MALFORMED, "xml-not-well-formed");
    refused("<x:a/>", PKE_MALFORMED, "xml-namespace");
    accepted("<x:a xmlns:x='u'/>");
    refused("<x:a/>", PKE_MALFORMED, "xml-namespace");
    refused("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", PKE_MALFORMED, "xml-namespace");
    n = accepted("<a xmlns='u' b='0'><b xmlns=''/><c xmlns:x='v' x:d='1' d='2'/></a>");
    assert_string_equal(n->ns, "u");
    assert_string_equal(n->attrs->ns, ""); /* the default namespace is not the attributes' */
    assert_string_equal(n->first->ns, "");
    assert_string_equal(n->last->ns, "u");
    assert_string_equal(n->last->attrs->ns, "v");
    assert_ptr_equal(xml_child(n, "u", "c"), n->last);
    assert_null(xml_child(n, "u", "b"));
}

/* A05: a value is whole or refused. */
static void test_a05_values_are_not_assembled(void **state)
{
    (void)state;
    refused("<a>admin@x<!-- -->.evil</a>", PKE_MALFORMED, "xml-comment-in-value");
    refused("<a><!-- --></a>", PKE_MALFORMED, "xml-comment-in-value");
    refused("<a>admin<b/>.evil</a>", PKE_MALFORMED, "xml-mixed-content");
    refused("<a><b/>.evil</a>", PKE_MALFORMED, "xml-mixed-content");
    refused("<a>x<b/></a>", PKE_MALFORMED, "xml-mixed-content");
    assert_string_equal(accepted("<a> <!-- c --> <b>1</b><!-- c --></a><!-- c -->")->first->text, "1");
    assert_string_equal(accepted("<a>x&amp;<![CDATA[<y>&]]>&#x41;&#xD;z</a>")->text, "x&<y>&A\rz");
}

/* The '&' of attribute values: SAX2 gives it as a reference. */
static void test_attribute_values(void **state)
{
    struct xml_node *n = accepted("<a b='1&amp;2&#38;3&lt;&quot;&amp;#38;' c='x\n&#10;y' xml:d=''/>");

    (void)state;
    assert_string_equal(n->attrs->value, "1&2&3<\"&#38;");
    assert_string_equal(n->attrs->next->value, "x \ny");
    assert_string_equal(xml_attr_any_ns(n, "d"), "");
    assert_null(xml_attr_any_ns(n, "e"));
}

/* A text arrives in as many pieces as libxml2 likes: 190 kB of references and line ends. */
static void test_long_text_is_complete(void **state)
{
    char *s = repeat("<a>", "%u&amp;\r\n\xc3\xa9", 9000, "</a>");
    char *want = repeat("", "%u&\n\xc3\xa9", 9000, "");
    struct xml_node *n = accepted(s);

    (void)state;
    assert_int_equal(n->text_len, strlen(want));
    assert_string_equal(n->text, want);
}

/* A06: clients choose names, and libxml2 keeps them: memory must not grow with the number of requests. */
static void test_names_do_not_accumulate(void **state)
{
    struct pke_arena *kept = test_arena;
    size_t most = 0;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        char name[32];
        struct xml_node *root;
        char *s;

        test_arena = pke_arena_new();
        snprintf(name, sizeof name, "<n%u-%%u/>", i);
        s = repeat("<a>", name, 200, "</a>");
        assert_int_equal(test_tree(s, strlen(s), &root), PKE_OK);
        if (xml_memory_used() > most)
            most = xml_memory_used();
        pke_arena_free(test_arena);
    }
    test_arena = kept;
    assert_true(most < (1u << 20));
}

static bool secret_s(const struct xml_node *n)
{
    return strcmp(n->name, "s") == 0;
}

/* Secret texts are in the parser's memory until the wipe, the others in the arena. */
static void test_secrets_are_kept_apart(void **state)
{
    struct xml_parser *p = xml_parser_new();
    const char *doc = "<a><s>one</s><t>two</t><s/><s>th<![CDATA[ree]]></s></a>";
    struct xml_node *root;
    const char *one, *three;

    (void)state;
    xml_parser_secrets(p, secret_s);
    assert_int_equal(xml_parse(p, pke_bytes_str(doc), test_arena, &root, NULL), PKE_OK);
    one = root->first->text;
    three = root->last->text;
    assert_string_equal(one, "one");
    assert_string_equal(three, "three");
    assert_ptr_equal(xml_secret_text(p, root->first), one);
    assert_null(xml_secret_text(p, root->first->next));
    assert_string_equal(root->first->next->text, "two");
    xml_parser_wipe(p);
    assert_int_equal(one[0] | one[1] | one[2] | three[0] | three[4], 0);
    assert_string_equal(root->first->next->text, "two");
    assert_int_equal(xml_parse(p, pke_bytes_str("<a><s>secret</s><t>x<b/></t></a>"), test_arena, &root, NULL),
                     PKE_MALFORMED);
    assert_int_equal(one[0] | one[5], 0); /* a refused document leaves nothing */
    xml_parser_free(p);
}

static void test_trimming(void **state)
{
    struct xml_node *n = accepted("<a><b> \t\n x y&#13; </b><b>   </b><b/><b>z</b></a>");

    (void)state;
    assert_string_equal(xml_text_trimmed(n->first, test_arena), "x y");
    assert_string_equal(xml_text_trimmed(n->first->next, test_arena), "");
    assert_string_equal(xml_text_trimmed(n->first->next->next, test_arena), "");
    assert_string_equal(xml_text_trimmed(n->last, test_arena), "z");
    assert_ptr_equal(xml_next_same(n->first), n->first->next);
    assert_null(xml_next_same(n->last));
}

static void escapes_to(const char *text, const char *want)
{
    struct pke_buf b;

    pke_buf_init(&b, 4096);
    assert_int_equal(xml_escape(&b, text), PKE_OK);
    assert_string_equal(pke_buf_cstr(&b), want);
    pke_buf_done(&b);
}

/* 57: what is written can be read back; what XML cannot carry becomes '?'. */
static void test_57_escape(void **state)
{
    struct pke_buf small;

    (void)state;
    escapes_to("", "");
    escapes_to("a&<>\"'b]]>", "a&amp;&lt;&gt;&quot;&#39;b]]&gt;");
    escapes_to("\t\n\r", "&#9;&#10;&#13;");
    escapes_to("\x01\x1f\x7f", "??\x7f");
    escapes_to("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    escapes_to("\xc3", "?");
    escapes_to("a\xffz\xe2\x82", "a?z??");
    escapes_to("\xc0\xbc\xed\xa0\x80\xef\xbf\xbf", "????"
                                                   "????");
    assert_true(xml_text_valid("\xc3\xa9 \n<"));
    assert_false(xml_text_valid("a\x01"));
    assert_false(xml_text_valid("\xef\xbf\xbe"));
    pke_buf_init(&small, 4);
    assert_int_equal(xml_escape(&small, "a&b"), PKE_LIMIT);
    pke_buf_done(&small);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        T(test_10_doctype),
        T(test_10_bombs),
        T(test_10_limits_are_exact),
        T(test_10_encodings),
        T(test_10_declarations),
        T(test_10_not_well_formed),
        T(test_a05_namespaces),
        T(test_a05_values_are_not_assembled),
        T(test_attribute_values),
        T(test_long_text_is_complete),
        T(test_names_do_not_accumulate),
        T(test_secrets_are_kept_apart),
        T(test_trimming),
        T(test_57_escape),
    };
    return cmocka_run_group_tests_name("proto/xml", tests, NULL, NULL);
}
