/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/read.h: look-ups, listings, counts, and reading beside a writer. */
#include "tests/unit/ledger_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "ledger/store.h"

static void check_cert(struct fixture *f, const char *key, const char *request_id)
{
    struct ledger_row row;
    enum pke_err err = ledger_cert_show(f->r, NULL, key, f->arena, &row, &f->fail);

    if (!request_id) {
        assert_int_equal(err, PKE_NOT_FOUND);
        return;
    }
    assert_int_equal(err, PKE_OK);
    assert_string_equal(row.request_id, request_id);
    assert_true(row.certificate.n > 0);
}

/* The text with every byte pair in upper case and separated by @p sep. */
static const char *spaced(struct fixture *f, const char *hex, char sep)
{
    char *out = pke_arena_alloc(f->arena, strlen(hex) * 2), *o = out;

    for (size_t i = 0; hex[i]; i++) {
        if (i && i % 2 == 0)
            *o++ = sep;
        *o++ = hex[i] >= 'a' ? (char)(hex[i] - 32) : hex[i];
    }
    return out;
}

static void test_certificate_by_everything(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample s, under_way;

    sample(&s, 0x0abc);
    do_issue(f, &s);
    sample(&under_way, 35);
    do_intent(f, &under_way);
    assert_int_equal(ledger_request_show(f->r, NULL, s.request_id, f->arena, &row, &f->fail), PKE_OK);
    check_cert(f, row.sha256, s.request_id);
    check_cert(f, spaced(f, row.sha256, ':'), s.request_id);
    check_cert(f, row.sha1, s.request_id);
    check_cert(f, spaced(f, row.sha1, ' '), s.request_id);
    check_cert(f, row.serial, s.request_id);
    check_cert(f, spaced(f, row.serial, ':'), s.request_id);
    check_cert(f, pke_arena_printf(f->arena, "000%s", row.serial), s.request_id);
    check_cert(f, "DEV-2748", s.request_id);
    check_cert(f, s.request_id, s.request_id);
    check_cert(f, under_way.device, NULL);
    check_cert(f, under_way.request_id, NULL);
    check_cert(f, "", NULL);
    check_cert(f, "00", NULL);
    check_cert(f, ":", NULL);
    check_cert(f, "no such device", NULL);
    check_cert(f, "0000000000000000000000000000000000000000000000000000000000000000000000000", NULL);
}

static void test_certificate_key_precedence(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample victim, mimic, short_serial, newest;

    sample(&victim, 40);
    do_issue(f, &victim);
    assert_int_equal(ledger_request_show(f->r, NULL, victim.request_id, f->arena, &row, &f->fail), PKE_OK);
    sample(&mimic, 41); /* a client names its device like another certificate's serial: the serial wins */
    mimic.in.request.device_id = row.serial;
    do_issue(f, &mimic);
    check_cert(f, row.serial, victim.request_id);
    sample(&short_serial, 42); /* one octet: odd number of digits, leading zeros */
    short_serial.serial[0] = 0x0a;
    short_serial.in.serial.n = 1;
    do_issue(f, &short_serial);
    check_cert(f, "a", short_serial.request_id);
    check_cert(f, "0A", short_serial.request_id);
    check_cert(f, "00:0a", short_serial.request_id);
    sample(&newest, 43); /* a device gives its newest certificate */
    newest.in.request.device_id = "dev-40";
    do_issue(f, &newest);
    check_cert(f, "dev-40", newest.request_id);
}

static size_t page(struct fixture *f, const struct ledger_filter *filter, const char **cursor, unsigned limit,
                   struct ledger_row **rows)
{
    const char *next;
    size_t n;

    assert_int_equal(ledger_list(f->r, filter, *cursor, limit, f->arena, rows, &n, &next, &f->fail), PKE_OK);
    *cursor = next;
    return n;
}

static void test_listing_pages_newest_first(void **state)
{
    struct fixture *f = *state;
    const char *cursor = NULL;
    struct ledger_row *rows;
    struct sample s;
    unsigned seen = 0;

    for (unsigned i = 0; i < 25; i++) {
        sample(&s, 100 + i);
        s.in.request.at = T0 + i / 3; /* several in one millisecond */
        do_issue(f, &s);
    }
    do {
        size_t n = page(f, NULL, &cursor, 7, &rows);

        assert_true(n == 7 || !cursor);
        for (size_t i = 0; i < n; i++, seen++) {
            char want[40];

            snprintf(want, sizeof want, "dev-%u", 124 - seen);
            assert_string_equal(rows[i].device_id, want);
            assert_int_equal(rows[i].certificate.n, 0);
            assert_int_equal(rows[i].request.n, 0);
            assert_int_equal(rows[i].context.n, 2);
        }
        if (seen == 7) { /* one that arrives while we page does not move the page */
            sample(&s, 200);
            do_issue(f, &s);
        }
    } while (cursor);
    assert_int_equal(seen, 25);
    cursor = NULL;
    assert_int_equal(page(f, NULL, &cursor, 26, &rows), 26);
    assert_null(cursor);
}

static size_t count(struct fixture *f, struct ledger_filter filter)
{
    const char *cursor = NULL;
    struct ledger_row *rows;

    return page(f, &filter, &cursor, 500, &rows);
}

static void test_listing_filters(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_DENIED, .reason = "r", .rule = "s", .text = "t"};
    struct ledger_request refused = {.request_id = "refused", .principal = "eve@corp.example", .at = T0};
    struct sample s[4];

    for (unsigned i = 0; i < 4; i++) {
        sample(&s[i], 50 + i);
        s[i].in.request.principal = i % 2 ? "bob@corp.example" : "ada@corp.example";
        s[i].in.request.template_name = i == 3 ? "user" : "device";
        if (i < 3)
            do_issue(f, &s[i]);
        else
            do_intent(f, &s[i]);
    }
    begin(f);
    assert_int_equal(ledger_refused(f->l, &refused, &why, &f->fail), PKE_OK);
    commit(f);
    assert_int_equal(count(f, (struct ledger_filter){0}), 5);
    assert_int_equal(count(f, (struct ledger_filter){.state = "issued"}), 3);
    assert_int_equal(count(f, (struct ledger_filter){.state = "refused"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.principal = "ADA@corp.example"}), 2);
    assert_int_equal(count(f, (struct ledger_filter){.device_id = "DEV-51"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.template_name = "user"}), 1);
    assert_int_equal(count(f, (struct ledger_filter){.certificates_only = true}), 3);
    assert_int_equal(count(f, (struct ledger_filter){.certificates_only = true,
                                                     .principal = "bob@corp.example",
                                                     .template_name = "device"}),
                     1);
    assert_int_equal(count(f, (struct ledger_filter){.state = "refused", .certificates_only = true}), 0);
    assert_int_equal(count(f, (struct ledger_filter){.principal = "x' OR 1 --"}), 0);
}

static void test_listing_refuses_bad_arguments(void **state)
{
    static const char *const cursors[] = {"", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAA!",
                                          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct fixture *f = *state;
    struct ledger_filter unknown = {.state = "lost"};
    struct ledger_row *rows;
    const char *next;
    size_t n;

    for (size_t i = 0; i < PKE_LEN(cursors); i++)
        assert_int_equal(ledger_list(f->r, NULL, cursors[i], 5, f->arena, &rows, &n, &next, &f->fail),
                         PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, NULL, NULL, 0, f->arena, &rows, &n, &next, &f->fail), PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, NULL, NULL, 501, f->arena, &rows, &n, &next, &f->fail), PKE_MALFORMED);
    assert_int_equal(ledger_list(f->r, &unknown, NULL, 5, f->arena, &rows, &n, &next, &f->fail),
                     PKE_MALFORMED);
}

static void test_counts(void **state)
{
    struct fixture *f = *state;
    struct pke_fail why = {.err = PKE_DENIED, .reason = "r", .rule = "s", .text = "t"};
    struct ledger_request refused = {.request_id = "refused", .at = T0};
    struct ledger_counts c;
    struct sample s;
    unsigned n;

    sample(&s, 60);
    do_issue(f, &s);
    sample(&s, 61);
    do_intent(f, &s);
    assert_int_equal(ledger_abandon_intents(f->l, T0, &n, &f->fail), PKE_OK);
    sample(&s, 62);
    do_intent(f, &s);
    begin(f);
    assert_int_equal(ledger_failed(f->l, s.request_id, &why, NULL, T0, &f->fail), PKE_OK);
    assert_int_equal(ledger_refused(f->l, &refused, &why, &f->fail), PKE_OK);
    commit(f);
    sample(&s, 63);
    do_intent(f, &s);
    assert_int_equal(ledger_counts(f->r, &c, &f->fail), PKE_OK);
    assert_int_equal(c.issued, 1);
    assert_int_equal(c.abandoned, 1);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.refused, 1);
    assert_int_equal(c.intent, 1);
    assert_int_equal(c.audit, 8);
    assert_audit_whole(f, 8);
}

static void test_reader_sees_commits_while_the_writer_works(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a, b;

    sample(&a, 70);
    sample(&b, 71);
    do_intent(f, &a);
    begin(f);
    assert_int_equal(ledger_intent(f->l, &b.in, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, NULL, a.request_id, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_request_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_NOT_FOUND);
    commit(f);
    assert_int_equal(ledger_request_show(f->r, NULL, b.request_id, f->arena, &row, &f->fail), PKE_OK);
}

/* The number that @p query gives in a child process: another process is what the control role is. */
static void test_reader_in_another_process(void **state)
{
    struct fixture *f = *state;
    struct sample a;
    int status;
    pid_t pid;

    sample(&a, 72);
    do_issue(f, &a);
    begin(f);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ledger_reader *r;
        struct ledger_row row;
        struct ledger *second;
        struct pke_fail fail;
        bool ok = ledger_reader_open(f->path, &r, &fail) == PKE_OK &&
                  ledger_cert_show(r, NULL, a.device, f->arena, &row, &fail) == PKE_OK &&
                  ledger_open(f->path, &second, &fail) == PKE_STORE_DOWN &&
                  !strcmp(fail.reason, "ledger-locked");
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    commit(f);
}

static void test_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct ledger_reader *none;

    /* read.h offers no way to write; the connection beneath it has none either */
    struct {
        struct store store;
    } *inside = (void *)f->r;
    assert_int_equal(store_exec(&inside->store, "DELETE FROM audit", &f->fail), PKE_STORE_DOWN);
    assert_int_equal(store_exec(&inside->store, "CREATE TABLE x (y)", &f->fail), PKE_STORE_DOWN);
    assert_int_equal(ledger_reader_open("/tmp/pke-ledger-does-not-exist/x", &none, &f->fail), PKE_STORE_DOWN);
    assert_string_equal(f->fail.reason, "ledger-absent");
}

static void test_reader_without_a_writer(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row;
    struct sample a;

    sample(&a, 73);
    do_issue(f, &a);
    ledger_reader_close(f->r);
    ledger_close(f->l); /* the last writer takes the WAL with it */
    f->l = NULL;
    f->r = NULL;
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    assert_int_equal(ledger_cert_show(f->r, NULL, a.device, f->arena, &row, &f->fail), PKE_OK);
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_true(ledger_node(f->l) >= 0x01 && ledger_node(f->l) <= 0x7f);
}

static void test_checkpoint_moves_the_log(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;
    struct sample a;

    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_OK);
    assert_int_equal(stat(f->path, &before), 0);
    for (unsigned i = 0; i < 40; i++) {
        sample(&a, 80 + i);
        do_issue(f, &a);
    }
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_size, after.st_size); /* commits alone do not touch the main file */
    assert_int_equal(ledger_checkpoint(f->l, &f->fail), PKE_OK);
    assert_int_equal(stat(f->path, &after), 0);
    assert_true(after.st_size > before.st_size);
    assert_audit_whole(f, 80);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_certificate_by_everything),
        T(test_certificate_key_precedence),
        T(test_listing_pages_newest_first),
        T(test_listing_filters),
        T(test_listing_refuses_bad_arguments),
        T(test_counts),
        T(test_reader_sees_commits_while_the_writer_works),
        T(test_reader_in_another_process),
        T(test_reader_cannot_write),
        T(test_reader_without_a_writer),
        T(test_checkpoint_moves_the_log),
    };

    return cmocka_run_group_tests_name("ledger_read", tests, NULL, NULL);
}
