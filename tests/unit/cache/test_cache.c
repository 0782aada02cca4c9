/* What the cache promises of its scans. */
#include "made_scan.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

static const char UID[] = "1.3.6.1.4.1 (with a blank)";

static struct cached_scan *open_scan(struct cache *c, struct hash128 key)
{
    struct cached_scan *s;
    struct error err = {0};
    if (cache_open_scan(c, key, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static void crops_come_back_exactly(const int64_t size[3])
{
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, size[0], size[1], size[2]);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    struct cached_scan *s = open_scan(c, p.key);
    struct crop_reader *r;
    assert_int_equal(crop_reader_new(&r, NULL), STATUS_OK);
    assert_memory_equal(cached_scan_geometry(s), &m.geometry, sizeof m.geometry);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_OK);
    made_check_crop(r, s, &m, (const int64_t[]){0, 0, 0}, size);
    for (uint32_t i = 0; i < 60; i++) {
        int64_t start[3], want[3];
        for (int a = 0; a < 3; a++) {
            want[a] = 1 + made_bits(i * 6 + a) % (size[a] < 50 ? size[a] : 50);
            start[a] = made_bits(i * 6 + 3 + a) % (size[a] - want[a] + 1);
        }
        made_check_crop(r, s, &m, start, want);
    }
    crop_reader_free(r);
    cached_scan_close(s);
    cache_close(c);
}

static void a_crop_of_a_scan_of_many_chunks_comes_back_exactly(void **state)
{
    (void)state;
    crops_come_back_exactly((const int64_t[]){67, 150, 131});
}

static void a_scan_smaller_than_a_block_comes_back_exactly(void **state)
{
    (void)state;
    crops_come_back_exactly((const int64_t[]){3, 5, 7});
}

static void a_scan_of_one_voxel_comes_back_exactly(void **state)
{
    (void)state;
    crops_come_back_exactly((const int64_t[]){1, 1, 1});
}

static void a_scan_of_whole_chunks_comes_back_exactly(void **state)
{
    (void)state;
    crops_come_back_exactly((const int64_t[]){32, 64, 128});
}

static void a_crop_as_float_is_the_same(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 10, 40, 40);
    struct cached_scan *s = open_scan(c, made_prepare(c, &m, UID, CACHE_TRUST).key);
    struct crop_reader *r;
    float crop[2 * 3 * 33];
    assert_int_equal(crop_reader_new(&r, NULL), STATUS_OK);
    assert_int_equal(crop_reader_read_float(r, s, (const int64_t[]){7, 1, 5},
                                            (const int64_t[]){2, 3, 33}, crop, NULL),
                     STATUS_OK);
    for (int i = 0; i < 2 * 3 * 33; i++)
        assert_true(crop[i] == made_voxel(&m, 7 + i / 99, 1 + i / 33 % 3, 5 + i % 33));
    crop_reader_free(r);
    cached_scan_close(s);
    cache_close(c);
}

static void a_prepared_scan_is_neither_read_nor_hashed_again(void **state)
{
    (void)state;
    struct made_scan m = made_scan(5, 9, 20, 20);
    struct cache *c = made_cache(0, false);
    struct cache_prepared first = made_prepare(c, &m, UID, CACHE_TRUST);
    assert_true(first.written);
    cache_close(c);

    m.reads = m.hashes = 0;
    c = made_cache(0, false);
    struct cache_prepared second = made_prepare(c, &m, UID, CACHE_TRUST);
    assert_false(second.written);
    assert_true(hash_equal(first.key, second.key));
    assert_int_equal(m.reads + m.hashes, 0);

    struct hash128 key;
    struct geometry g;
    assert_true(cache_find(c, UID, 3, NULL, &key, &g));
    assert_true(hash_equal(first.key, key));
    assert_memory_equal(&g, &m.geometry, sizeof g);
    assert_false(cache_find(c, "another", 3, NULL, &key, &g));
    assert_false(cache_find(c, UID, 4, NULL, &key, &g));
    assert_false(cache_find(c, UID, 3, &(struct hash128){.low = 6}, &key, &g));
    cache_close(c);
}

static void a_source_that_was_only_touched_is_hashed_but_not_read(void **state)
{
    (void)state;
    struct made_scan m = made_scan(5, 9, 20, 20);
    struct cache *c = made_cache(0, false);
    made_prepare(c, &m, UID, CACHE_TRUST);
    struct cache_source s = made_source(&m, UID);
    struct cache_prepared p;
    s.identity.high = 99;
    m.reads = m.hashes = 0;
    assert_int_equal(cache_prepare(c, &s, CACHE_TRUST, &p, NULL), STATUS_OK);
    assert_false(p.written);
    assert_int_equal(m.hashes, 1);
    assert_int_equal(m.reads, 0);
    cache_close(c);
}

/* ---- damage ---- */

static char *file_of(struct hash128 key)
{
    char name[64], hex[HASH_HEX_BYTES];
    hash_hex(key, hex);
    snprintf(name, sizeof name, "cache/scans/%s.h5", hex);
    return temporary_path(name);
}

static void flip(const char *path, int64_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Every byte of the file that holds the scan is covered by a checksum: of those that HDF5
 * keeps for its own readers a change is no matter. */
static void a_flipped_byte_is_found_or_changes_nothing(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 35, 70, 66);
    struct hash128 key = made_prepare(c, &m, UID, CACHE_TRUST).key;
    struct crop_reader *r;
    struct file_identity f;
    int found = 0;
    assert_int_equal(crop_reader_new(&r, NULL), STATUS_OK);
    assert_int_equal(file_identify(file_of(key), &f, NULL), STATUS_OK);
    for (int64_t at = 0; at < f.bytes; at += 997) {
        struct cached_scan *s = NULL;
        struct error err = {0};
        flip(file_of(key), at);
        enum status status = cache_open_scan(c, key, &s, &err);
        if (status == STATUS_OK)
            status = cached_scan_verify(s, &err);
        if (status == STATUS_OK)
            made_check_crop(r, s, &m, (const int64_t[]){0, 0, 0}, m.geometry.size);
        else
            assert_int_equal(status, STATUS_ITEM_FORMAT);
        found += status != STATUS_OK;
        cached_scan_close(s);
        flip(file_of(key), at);
    }
    assert_true(found > f.bytes / 997 / 2);
    crop_reader_free(r);
    cache_close(c);
}

static void a_crop_of_a_damaged_chunk_fails_and_others_do_not(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 64, 64, 64);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    struct cached_scan *s = open_scan(c, p.key);
    struct crop_reader *r;
    struct error err = {0};
    int16_t crop[4 * 4 * 4];
    const int64_t size[3] = {4, 4, 4};
    assert_int_equal(crop_reader_new(&r, NULL), STATUS_OK);
    flip(file_of(p.key), p.file_bytes - 40000); /* the second chunk takes 200 kB */
    made_check_crop(r, s, &m, (const int64_t[]){28, 0, 0}, size);
    assert_int_equal(
        crop_reader_read(r, s, (const int64_t[]){30, 0, 0}, size, crop, &err),
        STATUS_ITEM_FORMAT);
    assert_non_null(strstr(err.message, "chunk 1 is damaged"));
    assert_non_null(strstr(err.message, file_of(p.key)));

    /* made again, and opened again */
    cached_scan_close(s);
    p = made_prepare(c, &m, UID, CACHE_REWRITE);
    assert_true(p.written);
    s = open_scan(c, p.key);
    made_check_crop(r, s, &m, (const int64_t[]){30, 0, 0}, size);
    cached_scan_close(s);
    crop_reader_free(r);
    cache_close(c);
}

static void verification_repairs_what_trust_passes_over(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 64, 64, 64);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    flip(file_of(p.key), p.file_bytes - 40000);
    assert_false(made_prepare(c, &m, UID, CACHE_TRUST).written);
    p = made_prepare(c, &m, UID, CACHE_VERIFY);
    assert_true(p.written);
    assert_non_null(strstr(p.repaired, "is damaged"));
    p = made_prepare(c, &m, UID, CACHE_VERIFY);
    assert_false(p.written);
    assert_string_equal(p.repaired, "");
    cache_close(c);
}

static void a_torn_file_is_known_and_written_anew(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 40, 64, 64);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    const int64_t lengths[] = {p.file_bytes - 1, p.file_bytes / 2, 600, 100, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct cached_scan *s;
        assert_int_equal(truncate(file_of(p.key), lengths[i]), 0);
        assert_int_equal(cache_open_scan(c, p.key, &s, NULL), STATUS_ITEM_FORMAT);
        p = made_prepare(c, &m, UID, CACHE_TRUST);
        assert_true(p.written && p.repaired[0]);
    }
    cache_close(c);
}

static void a_missing_file_is_an_item_error(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct cached_scan *s;
    assert_int_equal(cache_open_scan(c, (struct hash128){1, 2}, &s, NULL),
                     STATUS_ITEM_IO);
    cache_close(c);
}

/* ---- several at once ---- */

static void bytes_of(const char *path, char **out, size_t *bytes)
{
    assert_int_equal(file_read(path, 1 << 28, out, bytes, NULL), STATUS_OK);
}

static void two_writers_at_once_leave_one_whole_file(void **state)
{
    (void)state;
    enum { WRITERS = 3, ROUNDS = 8 };
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct cache *c = made_cache(0, false);
            struct made_scan m = made_scan(1, 40, 70, 70);
            for (int k = 0; k < ROUNDS; k++) {
                struct cache_prepared p = made_prepare(c, &m, UID, CACHE_REWRITE);
                struct cached_scan *s = open_scan(c, p.key);
                if (cached_scan_verify(s, NULL) != STATUS_OK)
                    _exit(1);
                cached_scan_close(s);
            }
            cache_close(c);
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int ended;
        waitpid(children[i], &ended, 0);
        assert_int_equal(ended, 0);
    }
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 40, 70, 70);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_VERIFY);
    assert_false(p.written);
    /* and the same bytes as if written alone */
    char *first, *second;
    size_t first_bytes, second_bytes;
    bytes_of(file_of(p.key), &first, &first_bytes);
    made_prepare(c, &m, UID, CACHE_REWRITE);
    bytes_of(file_of(p.key), &second, &second_bytes);
    assert_int_equal(first_bytes, second_bytes);
    assert_memory_equal(first, second, first_bytes);
    free(first);
    free(second);
    cache_close(c);
}

struct thread {
    pthread_t thread;
    const struct cached_scan *scan;
    const struct made_scan *made;
    uint32_t seed;
    bool exact;
};

static void *read_crops(void *context)
{
    struct thread *t = context;
    struct crop_reader *r;
    int16_t crop[20 * 30 * 40];
    const int64_t size[3] = {20, 30, 40};
    t->exact = crop_reader_new(&r, NULL) == STATUS_OK;
    for (uint32_t i = 0; i < 50 && t->exact; i++) {
        int64_t start[3];
        for (int a = 0; a < 3; a++)
            start[a] = made_bits(t->seed + i * 3 + a) %
                       (t->made->geometry.size[a] - size[a] + 1);
        t->exact = crop_reader_read(r, t->scan, start, size, crop, NULL) == STATUS_OK;
        for (int k = 0; k < 20 * 30 * 40 && t->exact; k++)
            t->exact = crop[k] == made_voxel(t->made, start[0] + k / 1200,
                                             start[1] + k / 40 % 30, start[2] + k % 40);
    }
    crop_reader_free(r);
    return NULL;
}

static void threads_read_one_scan_at_once(void **state)
{
    (void)state;
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 50, 100, 100);
    struct cached_scan *s = open_scan(c, made_prepare(c, &m, UID, CACHE_TRUST).key);
    struct thread threads[4];
    for (uint32_t i = 0; i < 4; i++) {
        threads[i] = (struct thread){.scan = s, .made = &m, .seed = i * 1000};
        assert_int_equal(
            pthread_create(&threads[i].thread, NULL, read_crops, &threads[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i].thread, NULL);
    for (int i = 0; i < 4; i++)
        assert_true(threads[i].exact);
    cached_scan_close(s);
    cache_close(c);
}

/* ---- a node's copy ---- */

static void a_copy_of_the_node_serves_and_mends_itself(void **state)
{
    (void)state;
    struct cache_options o = {.folder = temporary_path("cache"),
                              .local = temporary_path("local")};
    struct cache *c;
    assert_int_equal(cache_open(&o, &c, NULL), STATUS_OK);
    struct made_scan m = made_scan(1, 40, 64, 64);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    struct cached_scan *s = open_scan(c, p.key);
    char local[512];
    snprintf(local, sizeof local, "%s", cached_scan_path(s));
    assert_ptr_equal(strstr(local, temporary_path("local/")), local);
    cached_scan_close(s);

    assert_int_equal(truncate(local, p.file_bytes / 2), 0); /* torn: copied again */
    s = open_scan(c, p.key);
    assert_string_equal(cached_scan_path(s), local);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_OK);
    cached_scan_close(s);

    flip(local, p.file_bytes - 40000); /* rewriting takes the copy along */
    s = open_scan(c, p.key);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_ITEM_FORMAT);
    cached_scan_close(s);
    made_prepare(c, &m, UID, CACHE_REWRITE);
    s = open_scan(c, p.key);
    assert_string_equal(cached_scan_path(s), local);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_OK);
    cached_scan_close(s);
    cache_close(c);
}

static void make_old(const char *path)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static bool is_old(const char *path)
{
    struct stat f;
    assert_int_equal(stat(path, &f), 0);
    return f.st_mtim.tv_sec == 1000000;
}

static void using_a_copy_marks_the_shared_file_too(void **state)
{
    (void)state;
    struct cache_options o = {.folder = temporary_path("cache"),
                              .local = temporary_path("local"),
                              .hold = true};
    struct cache *c;
    assert_int_equal(cache_open(&o, &c, NULL), STATUS_OK);
    struct made_scan m = made_scan(1, 40, 64, 64);
    struct hash128 key = made_prepare(c, &m, UID, CACHE_TRUST).key;
    make_old(file_of(key));
    struct cached_scan *s = open_scan(c, key); /* makes the copy */
    assert_false(is_old(file_of(key)));
    make_old(cached_scan_path(s));
    make_old(file_of(key));
    cached_scan_close(s);
    cached_scan_close(open_scan(c, key)); /* finds it, of an earlier job */
    assert_false(is_old(file_of(key)));
    cache_close(c);
}

static void a_damaged_copy_goes_though_the_shared_file_is_sound(void **state)
{
    (void)state;
    struct cache_options o = {.folder = temporary_path("cache"),
                              .local = temporary_path("local")};
    struct cache *c;
    assert_int_equal(cache_open(&o, &c, NULL), STATUS_OK);
    struct made_scan m = made_scan(1, 40, 64, 64);
    struct cache_prepared p = made_prepare(c, &m, UID, CACHE_TRUST);
    struct cached_scan *s = open_scan(c, p.key);
    flip(cached_scan_path(s), p.file_bytes - 40000);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_ITEM_FORMAT);
    cached_scan_close(s);
    assert_false(made_prepare(c, &m, UID, CACHE_VERIFY).written);
    s = open_scan(c, p.key);
    assert_int_equal(cached_scan_verify(s, NULL), STATUS_OK);
    cached_scan_close(s);
    cache_close(c);
}

struct copier {
    pthread_t thread;
    struct hash128 key;
    char folder[512], local[512];
    bool served;
};

static void *copy_and_read(void *context)
{
    struct copier *t = context;
    struct cache_options o = {.folder = t->folder, .local = t->local, .hold = true};
    struct cache *c;
    struct cached_scan *s;
    t->served = cache_open(&o, &c, NULL) == STATUS_OK;
    if (!t->served)
        return NULL;
    t->served = cache_open_scan(c, t->key, &s, NULL) == STATUS_OK;
    if (t->served) {
        t->served = cached_scan_verify(s, NULL) == STATUS_OK &&
                    strncmp(cached_scan_path(s), t->local, strlen(t->local)) == 0;
        cached_scan_close(s);
    }
    cache_close(c);
    return NULL;
}

static void threads_of_a_node_copy_one_scan_at_once(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    struct cache *c = made_cache(0, false);
    struct made_scan m = made_scan(1, 64, 128, 128);
    struct hash128 key = made_prepare(c, &m, UID, CACHE_TRUST).key;
    cache_close(c);
    for (int round = 0; round < 5; round++) {
        struct copier t[THREADS];
        char name[32];
        snprintf(name, sizeof name, "local%d", round);
        for (int i = 0; i < THREADS; i++) {
            t[i].key = key;
            snprintf(t[i].folder, sizeof t[i].folder, "%s", temporary_path("cache"));
            snprintf(t[i].local, sizeof t[i].local, "%s", temporary_path(name));
            assert_int_equal(pthread_create(&t[i].thread, NULL, copy_and_read, &t[i]), 0);
        }
        for (int i = 0; i < THREADS; i++)
            pthread_join(t[i].thread, NULL);
        for (int i = 0; i < THREADS; i++)
            assert_true(t[i].served);
    }
}

#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, temporary_folder_make, temporary_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crop_of_a_scan_of_many_chunks_comes_back_exactly),
        TEST(a_scan_smaller_than_a_block_comes_back_exactly),
        TEST(a_scan_of_one_voxel_comes_back_exactly),
        TEST(a_scan_of_whole_chunks_comes_back_exactly),
        TEST(a_crop_as_float_is_the_same),
        TEST(a_prepared_scan_is_neither_read_nor_hashed_again),
        TEST(a_source_that_was_only_touched_is_hashed_but_not_read),
        TEST(a_flipped_byte_is_found_or_changes_nothing),
        TEST(a_crop_of_a_damaged_chunk_fails_and_others_do_not),
        TEST(verification_repairs_what_trust_passes_over),
        TEST(a_torn_file_is_known_and_written_anew),
        TEST(a_missing_file_is_an_item_error),
        TEST(two_writers_at_once_leave_one_whole_file),
        TEST(threads_read_one_scan_at_once),
        TEST(a_copy_of_the_node_serves_and_mends_itself),
        TEST(using_a_copy_marks_the_shared_file_too),
        TEST(a_damaged_copy_goes_though_the_shared_file_is_sound),
        TEST(threads_of_a_node_copy_one_scan_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
