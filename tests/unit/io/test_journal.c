#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/file.h"
#include "io/journal.h"
#include "temporary_folder.h"

enum { FILE_HEADER = 16, RECORD_HEADER = 80, MOST = 8 };

/* What journal_open visited. */
struct seen {
    struct journal_record records[MOST];
    size_t count;
    enum status answer;
};

static enum status note(void *context, const struct journal_record *record,
                        struct error *err)
{
    struct seen *s = context;
    assert_true(s->count < MOST);
    s->records[s->count++] = *record;
    return s->answer ? error_set(err, s->answer, "refused by the caller") : STATUS_OK;
}

static const char *journal_path(void)
{
    return temporary_path("journal");
}

static struct journal *open_journal(struct seen *seen)
{
    struct journal *j = NULL;
    struct error err = {0};
    if (journal_open(journal_path(), note, seen, &j, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return j;
}

/* The i-th record and payload of every test: i + 1 times 50 bytes, but none for record 3.
 */
static struct journal_record record_number(uint32_t i)
{
    return (struct journal_record){.kind = 10 + i,
                                   .part = i,
                                   .item = {i, ~(uint64_t)i},
                                   .key = {UINT64_MAX - i, 7},
                                   .bytes = i == 3 ? 0 : 50 * (uint64_t)(i + 1)};
}

static void fill(char *payload, uint32_t i)
{
    for (uint64_t b = 0; b < record_number(i).bytes; b++)
        payload[b] = (char)(b * 31 + i);
}

static void append(struct journal *j, uint32_t i)
{
    char payload[1000];
    struct journal_record record = record_number(i);
    fill(payload, i);
    assert_int_equal(journal_append(j, &record, record.bytes ? payload : NULL, NULL),
                     STATUS_OK);
    assert_true(record.offset >= FILE_HEADER + RECORD_HEADER);
}

static void assert_payload(const struct journal *j, const struct journal_record *record)
{
    char wanted[1000];
    void *payload;
    struct error err = {0};
    fill(wanted, record->part);
    assert_int_equal(journal_read(j, record, &payload, &err), STATUS_OK);
    assert_memory_equal(payload, wanted, record->bytes);
    free(payload);
}

/* The journal holds exactly the records 0 .. count - 1, headers and payloads. */
static void assert_holds(uint32_t count)
{
    struct seen seen = {0};
    struct journal *j = open_journal(&seen);
    assert_int_equal(seen.count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct journal_record wanted = record_number(i);
        wanted.offset = seen.records[i].offset;
        assert_memory_equal(&seen.records[i], &wanted, sizeof wanted);
        assert_payload(j, &seen.records[i]);
    }
    journal_close(j);
}

static void make_journal(uint32_t count)
{
    struct seen seen = {0};
    unlink(journal_path());
    struct journal *j = open_journal(&seen);
    assert_int_equal(seen.count, 0);
    for (uint32_t i = 0; i < count; i++)
        append(j, i);
    assert_int_equal(journal_sync(j, NULL), STATUS_OK);
    journal_close(j);
}

static int64_t bytes_of(const char *path)
{
    struct file_identity identity;
    assert_int_equal(file_identify(path, &identity, NULL), STATUS_OK);
    return identity.bytes;
}

static int64_t end_of_record(uint32_t count)
{
    int64_t end = FILE_HEADER;
    for (uint32_t i = 0; i < count; i++)
        end += RECORD_HEADER + (int64_t)record_number(i).bytes;
    return end;
}

/* stderr while the journal warns, kept out of the test's output. Comes back after each
 * test, so that a failure is seen. */
static int saved_stderr = -1;

static void hush(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    FILE *f = fopen(temporary_path("log"), "a");
    dup2(fileno(f), STDERR_FILENO);
    fclose(f);
}

static void unhush(void)
{
    if (saved_stderr < 0)
        return;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    saved_stderr = -1;
}

static int end_test(void **state)
{
    unhush();
    return temporary_folder_remove(state);
}

static void what_was_appended_is_there_again(void **state)
{
    (void)state;
    make_journal(6);
    assert_int_equal(bytes_of(journal_path()), end_of_record(6));
    assert_holds(6);
}

static void appending_goes_on_where_the_last_run_ended(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        struct seen seen = {0};
        struct journal *j = open_journal(&seen);
        assert_int_equal(seen.count, i);
        append(j, i);
        journal_close(j);
    }
    assert_holds(5);
}

static void a_record_torn_at_any_byte_costs_that_record_alone(void **state)
{
    (void)state;
    const int64_t begin = end_of_record(2), end = end_of_record(3);
    hush();
    for (int64_t bytes = begin; bytes < end; bytes++) {
        make_journal(3);
        assert_int_equal(truncate(journal_path(), bytes), 0);
        assert_holds(2);
        assert_int_equal(bytes_of(journal_path()), begin);
        struct seen seen = {0};
        struct journal *j = open_journal(&seen);
        append(j, 2);
        journal_close(j);
        assert_holds(3);
    }
    unhush();
}

static void flip(int64_t offset, int bit)
{
    FILE *f = fopen(journal_path(), "r+b");
    fseek(f, (long)offset, SEEK_SET);
    int c = fgetc(f);
    fseek(f, (long)offset, SEEK_SET);
    fputc(c ^ (1 << bit), f);
    fclose(f);
}

static void a_flipped_bit_ends_the_journal_before_its_record(void **state)
{
    (void)state;
    const int64_t begin = end_of_record(1), end = end_of_record(2);
    hush();
    for (int64_t offset = begin; offset < end; offset++) {
        make_journal(4);
        flip(offset, (int)(offset % 8));
        assert_holds(1);
        assert_int_equal(bytes_of(journal_path()), begin);
    }
    unhush();
}

static void what_was_cut_is_said(void **state)
{
    (void)state;
    char wanted[200], *text;
    size_t bytes;
    make_journal(3);
    assert_int_equal(truncate(journal_path(), end_of_record(3) - 7), 0);
    hush();
    assert_holds(2);
    unhush();
    assert_int_equal(file_read(temporary_path("log"), 4096, &text, &bytes, NULL),
                     STATUS_OK);
    snprintf(wanted, sizeof wanted,
             "journal: the record at byte %d is torn or damaged: %d bytes",
             (int)end_of_record(2), (int)(end_of_record(3) - end_of_record(2) - 7));
    assert_non_null(strstr(text, wanted));
    free(text);
}

static void zeros_after_the_last_record_are_cut(void **state)
{
    (void)state;
    make_journal(2);
    assert_int_equal(truncate(journal_path(), 3000000), 0);
    hush();
    assert_holds(2);
    unhush();
    assert_int_equal(bytes_of(journal_path()), end_of_record(2));
}

static void a_file_torn_in_its_first_bytes_is_new(void **state)
{
    (void)state;
    for (int64_t bytes = 0; bytes <= FILE_HEADER; bytes++) {
        make_journal(2);
        hush();
        assert_int_equal(truncate(journal_path(), bytes), 0);
        assert_holds(0);
        unhush();
        struct seen seen = {0};
        struct journal *j = open_journal(&seen);
        append(j, 0);
        journal_close(j);
        assert_holds(1);
    }
}

static void a_foreign_file_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"x", "a short text",
                                        "a text longer than any header"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = temporary_text("journal", texts[i]);
        struct journal *j = NULL;
        struct error err = {0};
        assert_int_equal(journal_open(path, NULL, NULL, &j, &err), STATUS_JOB_FAILED);
        assert_non_null(strstr(err.message, "journal: not a journal"));
        assert_int_equal(journal_open_reader(path, &j, &err), STATUS_JOB_FAILED);
        assert_int_equal(bytes_of(path), strlen(texts[i]));
    }
}

static void another_version_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct journal *j = NULL;
    struct error err = {0};
    make_journal(2);
    flip(8, 1);
    assert_int_equal(journal_open(journal_path(), NULL, NULL, &j, &err),
                     STATUS_JOB_FAILED);
    assert_non_null(strstr(err.message, "version 3"));
    assert_int_equal(bytes_of(journal_path()), end_of_record(2));
}

static void what_the_visitor_refuses_cuts_nothing(void **state)
{
    (void)state;
    struct seen seen = {.answer = STATUS_JOB_FAILED};
    struct journal *j = NULL;
    struct error err = {0};
    make_journal(3);
    assert_int_equal(journal_open(journal_path(), note, &seen, &j, &err),
                     STATUS_JOB_FAILED);
    assert_string_equal(err.message, "refused by the caller");
    assert_int_equal(seen.count, 1);
    assert_holds(3);
}

static void a_full_disk_costs_the_new_record_alone(void **state)
{
    (void)state;
    struct rlimit before, small;
    struct seen seen = {0};
    char payload[1000];
    signal(SIGXFSZ, SIG_IGN);
    make_journal(3);
    getrlimit(RLIMIT_FSIZE, &before);
    fill(payload, 4);
    /* Full in the payload, in the header, and at once. */
    static const int room[] = {RECORD_HEADER + 20, 30, 0};
    for (size_t i = 0; i < sizeof room / sizeof *room; i++) {
        struct journal *j = open_journal(&(struct seen){0});
        struct journal_record record = record_number(4);
        struct error err = {0};
        small = before;
        small.rlim_cur = (rlim_t)(end_of_record(3) + room[i]);
        setrlimit(RLIMIT_FSIZE, &small);
        enum status status = journal_append(j, &record, payload, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, STATUS_STAGE_IO);
        assert_non_null(strstr(err.message, "journal: File too large"));
        assert_int_equal(bytes_of(journal_path()), end_of_record(3));
        journal_close(j);
        assert_holds(3);
    }
    /* And when there is room again, the journal that was full goes on. */
    struct journal *j = open_journal(&seen);
    struct journal_record record = record_number(4);
    small.rlim_cur = (rlim_t)end_of_record(3) + 100;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(journal_append(j, &record, payload, NULL), STATUS_STAGE_IO);
    setrlimit(RLIMIT_FSIZE, &before);
    append(j, 3);
    append(j, 4);
    journal_close(j);
    assert_holds(5);
}

static void a_reader_reads_what_the_writer_synced(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal *reader = NULL;
    make_journal(2);
    struct journal *writer = open_journal(&seen);
    append(writer, 2);
    assert_int_equal(journal_sync(writer, NULL), STATUS_OK);
    assert_int_equal(journal_open_reader(journal_path(), &reader, NULL), STATUS_OK);
    for (size_t i = 0; i < seen.count; i++)
        assert_payload(reader, &seen.records[i]);
    struct journal_record last = record_number(2);
    last.offset = end_of_record(2) + RECORD_HEADER;
    assert_payload(reader, &last);
    journal_close(reader);
    journal_close(writer);
}

static void a_reader_finds_damage_and_wrong_places(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct journal *reader = NULL;
    struct error err = {0};
    void *payload = NULL;
    make_journal(3);
    journal_close(open_journal(&seen));
    assert_int_equal(journal_open_reader(journal_path(), &reader, NULL), STATUS_OK);

    struct journal_record wrong = seen.records[1];
    wrong.bytes++;
    assert_int_equal(journal_read(reader, &wrong, &payload, &err), STATUS_STAGE_IO);
    wrong = seen.records[1];
    wrong.offset++;
    assert_int_equal(journal_read(reader, &wrong, &payload, &err), STATUS_STAGE_IO);
    wrong.offset = 3;
    assert_int_equal(journal_read(reader, &wrong, &payload, &err), STATUS_STAGE_IO);
    wrong.offset = 1 << 30;
    assert_int_equal(journal_read(reader, &wrong, &payload, &err), STATUS_STAGE_IO);

    flip(seen.records[1].offset + 5, 0);
    assert_int_equal(journal_read(reader, &seen.records[1], &payload, &err),
                     STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "is damaged"));
    assert_payload(reader, &seen.records[0]);
    assert_payload(reader, &seen.records[2]);
    journal_close(reader);
}

static void a_reader_needs_a_journal(void **state)
{
    (void)state;
    struct journal *j = NULL;
    struct error err = {0};
    assert_int_equal(journal_open_reader(temporary_path("none"), &j, &err),
                     STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "none: No such file"));
    assert_int_equal(journal_open_reader(temporary_text("empty", ""), &j, &err),
                     STATUS_JOB_FAILED);
    assert_false(file_exists(temporary_path("none")));
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct journal *j = NULL;
    struct error err = {0};
    assert_int_equal(journal_open(temporary_path("none/journal"), NULL, NULL, &j, &err),
                     STATUS_STAGE_IO);
    assert_non_null(strstr(err.message, "none/journal: No such file"));
}

static void a_payload_may_be_larger_than_the_scanning_block(void **state)
{
    (void)state;
    enum { BYTES = 3 * (1 << 20) + 17 };
    struct seen seen = {0};
    struct journal_record record = {.kind = 1, .bytes = BYTES};
    char *payload = calloc(1, BYTES);
    void *read_back = NULL;
    payload[BYTES - 1] = 9;
    struct journal *j = open_journal(&seen);
    assert_int_equal(journal_append(j, &record, payload, NULL), STATUS_OK);
    append(j, 0);
    journal_close(j);
    j = open_journal(&seen);
    assert_int_equal(seen.count, 2);
    assert_int_equal(journal_read(j, &seen.records[0], &read_back, NULL), STATUS_OK);
    assert_memory_equal(read_back, payload, BYTES);
    assert_payload(j, &seen.records[1]);
    journal_close(j);
    free(payload);
    free(read_back);
}

static void a_payload_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct error err = {0};
    struct journal_record record = {.bytes = JOURNAL_PAYLOAD_BYTES + 1};
    struct journal *j = open_journal(&seen);
    assert_int_equal(journal_append(j, &record, "", &err), STATUS_STAGE_IO);
    journal_close(j);
    assert_holds(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_folder_make, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_appended_is_there_again),
        TEST(appending_goes_on_where_the_last_run_ended),
        TEST(a_record_torn_at_any_byte_costs_that_record_alone),
        TEST(a_flipped_bit_ends_the_journal_before_its_record),
        TEST(what_was_cut_is_said),
        TEST(zeros_after_the_last_record_are_cut),
        TEST(a_file_torn_in_its_first_bytes_is_new),
        TEST(a_foreign_file_is_refused_and_left_alone),
        TEST(another_version_is_refused_and_left_alone),
        TEST(what_the_visitor_refuses_cuts_nothing),
        TEST(a_full_disk_costs_the_new_record_alone),
        TEST(a_reader_reads_what_the_writer_synced),
        TEST(a_reader_finds_damage_and_wrong_places),
        TEST(a_reader_needs_a_journal),
        TEST(a_folder_that_is_not_there_is_named),
        TEST(a_payload_may_be_larger_than_the_scanning_block),
        TEST(a_payload_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
