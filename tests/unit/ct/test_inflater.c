/* Streams that zlib packed come back, wherever they end in the file, and what zlib
 * refuses is refused. */
#include "folder.h"

#include <zlib.h>

#include "ct/inflater.h"

enum {
    INPUT_BUFFER = 128 << 10, /* of the inflater */
    ROOM = 1 << 20,
    ZLIB = 15,
    GZIP = 15 + 16,
};

static unsigned char plain[ROOM], packed[2 * ROOM], back[ROOM];
static uint64_t state_of_random = 1;

static unsigned random_below(unsigned n)
{
    state_of_random = state_of_random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)((state_of_random >> 33) % n);
}

enum kind { FLAT, NOISE, SLOPE, KINDS };

static void fill(enum kind kind, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        plain[i] = (unsigned char)(kind == FLAT    ? 7
                                   : kind == NOISE ? random_below(256)
                                                   : (i >> 6) + random_below(4));
}

struct packing {
    int wrapper, level, strategy;
};

static size_t pack(const struct packing *p, const unsigned char *data, size_t bytes,
                   unsigned char *out, size_t room)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
                  .avail_in = (uInt)bytes,
                  .next_out = out,
                  .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, p->level, Z_DEFLATED, p->wrapper, 8, p->strategy),
                     Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* In pieces of other lengths each time, the first of which are small. */
static enum status inflate_file(const char *folder, size_t bytes, size_t *length,
                                struct error *err)
{
    char path[512];
    struct data_file file;
    struct inflater *inflater = NULL;
    folder_put(folder, "stream", packed, bytes);
    snprintf(path, sizeof path, "%s/stream", folder);
    assert_int_equal(data_file_open(path, &file, err), STATUS_OK);
    enum status status = inflater_new(&file, 0, &inflater, err);
    *length = 0;
    int64_t got = 1, wanted = 1;
    while (status == STATUS_OK && got == wanted) {
        const int64_t room = (int64_t)(sizeof back - *length);
        wanted = 1 + random_below(*length < 4096 ? 64 : ROOM / 4);
        if (wanted > room)
            wanted = room > 0 ? room : 1;
        status =
            inflater_read(inflater, room > 0 ? back + *length : NULL, wanted, &got, err);
        if (status == STATUS_OK)
            *length += (size_t)got;
        else /* and it stays so */
            assert_int_not_equal(
                inflater_read(inflater, NULL, 1, &got, &(struct error){0}), STATUS_OK);
    }
    inflater_free(inflater);
    data_file_close(&file);
    return status;
}

static void assert_comes_back(const char *folder, size_t bytes, size_t of)
{
    struct error err;
    size_t length;
    assert_int_equal(inflate_file(folder, bytes, &length, &err), STATUS_OK);
    assert_int_equal(length, of);
    assert_memory_equal(back, plain, of);
}

static void assert_refused(const char *folder, size_t bytes, const char *reason)
{
    struct error err;
    size_t length;
    assert_int_equal(inflate_file(folder, bytes, &length, &err), STATUS_ITEM_FORMAT);
    if (!strstr(err.message, reason))
        fail_msg("%zu bytes: \"%s\", not \"%s\"", bytes, err.message, reason);
}

/* ---- tests ---- */

static void whatever_was_packed_comes_back(void **state)
{
    static const size_t lengths[] = {0, 1, 5, 300, 65535, 65536, 400000, ROOM};
    static const struct packing packings[] = {
        {ZLIB, 0, Z_DEFAULT_STRATEGY}, {ZLIB, 1, Z_DEFAULT_STRATEGY},
        {ZLIB, 9, Z_DEFAULT_STRATEGY}, {ZLIB, 6, Z_FIXED},
        {ZLIB, 6, Z_HUFFMAN_ONLY},     {9, 6, Z_DEFAULT_STRATEGY},
        {GZIP, 1, Z_DEFAULT_STRATEGY}, {GZIP, 6, Z_RLE}};
    for (enum kind kind = FLAT; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (size_t k = 0; k < sizeof packings / sizeof *packings; k++) {
                fill(kind, lengths[i]);
                assert_comes_back(
                    *state, pack(&packings[k], plain, lengths[i], packed, sizeof packed),
                    lengths[i]);
            }
}

static void a_stream_may_end_anywhere_in_the_input(void **state)
{
    static const struct packing packings[] = {{ZLIB, 1, Z_HUFFMAN_ONLY},
                                              {GZIP, 1, Z_HUFFMAN_ONLY}};
    for (int k = 0; k < 2; k++) {
        const struct packing *p = &packings[k];
        fill(SLOPE, ROOM);
        size_t bytes = ROOM / 8, n;
        while ((n = pack(p, plain, bytes, packed, sizeof packed)) < INPUT_BUFFER - 12)
            bytes += INPUT_BUFFER - n > 200 ? INPUT_BUFFER - n - 100 : 1;
        for (; n < INPUT_BUFFER + 12;
             n = pack(p, plain, ++bytes, packed, sizeof packed)) {
            assert_comes_back(*state, n, bytes);
            assert_refused(*state, n - 1 - random_below(10), "cut off");
            packed[n] = packed[n + 1] = 1;
            assert_refused(*state, n + 1, "1 bytes follow the end");
            assert_refused(*state, n + 2, "2 bytes follow the end");
            if (p->wrapper != GZIP)
                continue;
            size_t two = n + pack(p, plain + bytes, 100, packed + n, sizeof packed - n);
            assert_comes_back(*state, two, bytes + 100);
            assert_refused(*state, two - 1, "cut off");
        }
    }
}

/* What it makes of it goes to `plain`: some changes escape an Adler-32. */
static bool zlib_takes(size_t bytes, int wrapper)
{
    z_stream z = {.next_in = packed,
                  .avail_in = (uInt)bytes,
                  .next_out = plain,
                  .avail_out = sizeof plain};
    assert_int_equal(inflateInit2(&z, wrapper), Z_OK);
    const bool ended = inflate(&z, Z_FINISH) == Z_STREAM_END;
    inflateEnd(&z);
    return ended && z.avail_in == 0;
}

static void what_zlib_refuses_is_refused(void **state)
{
    int refused = 0;
    for (int i = 0; i < 1000; i++) {
        const struct packing p = {i % 2 ? ZLIB : GZIP, 6,
                                  i % 3 ? Z_DEFAULT_STRATEGY : Z_FIXED};
        struct error err;
        size_t length;
        fill(i % 5 ? SLOPE : NOISE, 2000);
        const size_t n = pack(&p, plain, 2000, packed, sizeof packed);
        packed[random_below((unsigned)n)] ^= (unsigned char)(1U << random_below(8));
        const bool good = zlib_takes(n, p.wrapper);
        const enum status status = inflate_file(*state, n, &length, &err);
        /* A gzip head tells much that nobody reads: either may look at more of it. */
        if (p.wrapper == ZLIB || good)
            assert_int_equal(status, good ? STATUS_OK : STATUS_ITEM_FORMAT);
        if (good)
            assert_memory_equal(back, plain, length);
        refused += status != STATUS_OK;
    }
    assert_true(refused > 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_was_packed_comes_back),
        cmocka_unit_test(a_stream_may_end_anywhere_in_the_input),
        cmocka_unit_test(what_zlib_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
