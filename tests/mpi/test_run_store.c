/*
 * The store of a run, written by all ranks and read back by each. With
 * PULMO_KEEP_RUN_H5=FILE the example run is left there (tests/e2e/formats.sh reads it
 * with the code of docs/formats.md).
 */
#include "assert_ranks.h"

#include <math.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "io/run_reader.h"
#include "io/run_store.h"

enum { SCANS = 7, CANDIDATES_A_SCAN = 5, CANDIDATES = SCANS * CANDIDATES_A_SCAN };
enum { DEPTH = 11, HEIGHT = 6, WIDTH = 5, SLAB = 4, MASK_LIMIT = 4096 };
enum { SERIESUID_BYTES = 24, BLOCK = 3 };

static char folder[256], file[320];

/* ---- an example run ---- */

struct example {
    char seriesuids[SCANS][SERIESUID_BYTES];
    struct run_store_scan scans[SCANS];
    struct run_store_candidate candidates[CANDIDATES];
    uint8_t masks[SCANS * MASK_LIMIT];
    int64_t mask_bytes;
};

static bool mask_voxel(int scan, int i)
{
    return (i * 7 + scan) % 5 == 0;
}

/* One slab as docs/formats.md has it: length, then a zlib stream of packed bits. */
static size_t pack_slab(int scan, int first, int count, uint8_t *out)
{
    uint8_t bits[SLAB * HEIGHT * WIDTH / 8 + 1] = {0};
    const int slice = HEIGHT * WIDTH, voxels = count * slice;
    uLongf bytes = MASK_LIMIT / 2;

    for (int i = 0; i < voxels; i++)
        if (mask_voxel(scan, first * slice + i))
            bits[i / 8] |= (uint8_t)(1 << i % 8);
    assert_int_equal(compress2(out + 4, &bytes, bits, (uLong)(voxels + 7) / 8, 6), Z_OK);
    for (int k = 0; k < 4; k++)
        out[k] = (uint8_t)(bytes >> 8 * k);
    return bytes + 4;
}

static void example_scan(struct example *e, int i)
{
    struct run_store_scan *s = &e->scans[i];
    snprintf(e->seriesuids[i], SERIESUID_BYTES, "1.3.6.1.4.%d", 100 + i);
    *s = (struct run_store_scan){
        .seriesuid = e->seriesuids[i],
        .subset = i % 3,
        .status = i == 2 ? "quarantined" : "done",
        .reason = i == 2 ? "scan.raw: 12 bytes of 40" : "",
        .size = {DEPTH, HEIGHT, WIDTH},
        .spacing = {0.5, 0.5, 1.25 + i},
        .origin = {-100.5, i, 1e300},
        .direction = {-1, 0, 0, 0, -1, 0, 0, 0, 1},
        .content = i == 2 ? "" : "0123456789abcdef0123456789abcdef",
        .seen = (int8_t)(i % 3 - 1),
        .candidate_first = i * CANDIDATES_A_SCAN,
        .candidate_count = CANDIDATES_A_SCAN,
        .mask_first = e->mask_bytes,
        .score = i == 2 ? NAN : i / 8.0,
        .nodules = i,
        .diagnosis = i == 2 ? "quarantined" : "ok",
    };
    for (int z = 0; z < DEPTH; z += SLAB)
        e->mask_bytes += (int64_t)pack_slab(i, z, DEPTH - z < SLAB ? DEPTH - z : SLAB,
                                            e->masks + e->mask_bytes);
    s->mask_bytes = e->mask_bytes - s->mask_first;
}

static struct example *example_new(void)
{
    struct example *e = calloc(1, sizeof *e);
    assert_non_null(e);
    for (int i = 0; i < SCANS; i++)
        example_scan(e, i);
    for (int i = 0; i < CANDIDATES; i++) {
        struct run_store_candidate *c = &e->candidates[i];
        c->scan = i / CANDIDATES_A_SCAN;
        c->voxels = 10 + i;
        c->diameter_mm = 4.5 + i;
        c->probability = 1.0f / (float)(1 + i);
        c->malignancy = i % 2 ? NAN : 0.25f;
        c->seen = (int8_t)(i % 3 - 1);
        c->disagreement = 1.0f / (float)(3 + i);
        c->malignancy_disagreement = i % 3 ? 0.125f : NAN;
        for (int k = 0; k < 3; k++) {
            c->index[k] = i + k / 3.0;
            c->xyz[k] = -i - k / 7.0;
        }
    }
    return e;
}

static float heat(int scan, int64_t i)
{
    return (float)scan + (float)i / 1024;
}

static int comm_rank(MPI_Comm comm)
{
    int rank;
    MPI_Comm_rank(comm, &rank);
    return rank;
}

static int comm_size(MPI_Comm comm)
{
    int size;
    MPI_Comm_size(comm, &size);
    return size;
}

/* Rows of round `round` that fall to this rank: blocks dealt out from the last rank on.
 */
static void deal(MPI_Comm comm, int64_t rows, int64_t round, int64_t *first,
                 int64_t *count)
{
    int size = comm_size(comm);
    *first = (round * size + size - 1 - comm_rank(comm)) * BLOCK;
    *first = *first < rows ? *first : rows;
    *count = rows - *first < BLOCK ? rows - *first : BLOCK;
}

static int64_t rounds(MPI_Comm comm, int64_t rows)
{
    int64_t a_round = (int64_t)comm_size(comm) * BLOCK;
    return (rows + a_round - 1) / a_round;
}

static enum status heatmap_write(struct run_store *s, const struct example *e, int scan,
                                 MPI_Comm comm, struct error *err)
{
    enum status status;
    float *values = malloc(DEPTH * HEIGHT * WIDTH * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < DEPTH * HEIGHT * WIDTH; i++)
        values[i] = heat(scan, i);
    TRY(run_store_make_heatmap(s, e->scans[scan].seriesuid, e->scans[scan].size, err));
    for (int64_t r = 0; r < rounds(comm, DEPTH); r++) {
        int64_t first, count;
        deal(comm, DEPTH, r, &first, &count);
        TRY(run_store_write_heatmap(s, e->scans[scan].seriesuid, first, count,
                                    values + first * HEIGHT * WIDTH, err));
    }
out:
    free(values);
    return status;
}

static enum status results_write(struct run_store *s, const struct example *e,
                                 MPI_Comm comm, struct error *err)
{
    enum status status;
    int64_t first, count;
    for (int64_t r = 0; r < rounds(comm, SCANS); r++) {
        deal(comm, SCANS, r, &first, &count);
        TRY(run_store_write_scans(s, first, count, e->scans + first, err));
    }
    TRY(heatmap_write(s, e, 0, comm, err));
    for (int64_t r = 0; r < rounds(comm, CANDIDATES); r++) {
        deal(comm, CANDIDATES, r, &first, &count);
        TRY(run_store_write_candidates(s, first, count, e->candidates + first, err));
    }
    for (int64_t r = 0; r < rounds(comm, SCANS); r++) {
        deal(comm, SCANS, r, &first, &count);
        int64_t from = first < SCANS ? e->scans[first].mask_first : e->mask_bytes;
        int64_t to =
            first + count < SCANS ? e->scans[first + count].mask_first : e->mask_bytes;
        TRY(run_store_write_mask(s, from, to - from, e->masks + from, err));
    }
    TRY(heatmap_write(s, e, 5, comm, err));
out:
    return status;
}

static enum status provenance_write(struct run_store *s, MPI_Comm comm, struct error *err)
{
    const char *const names[] = {"read", "segment"};
    const double timings[] = {1.5 + comm_rank(comm), 0.25};
    char host[32];
    snprintf(host, sizeof host, "host%d", comm_rank(comm));
    const struct run_store_provenance p = {
        .job = "seed = 1;\n",
        .version = "0.1.0",
        .isa = "reference",
        .mpi_io = "auto",
        .host = host,
        .threads = 2,
        .started_unix = 86400.5,
        .timing_names = names,
        .timings = timings,
        .timing_count = 2,
        .peak_bytes = 1000 + comm_rank(comm),
    };
    return run_store_write_provenance(s, &p, err);
}

static enum status example_write(const char *path, const struct example *e,
                                 bool provenance, MPI_Comm comm, struct error *err)
{
    const struct run_store_extent extent = {SCANS,           CANDIDATES, e->mask_bytes,
                                            SERIESUID_BYTES, true,       true};
    struct run_store *s = NULL;
    enum status status =
        run_store_create(path, &extent, "mode = \"book\";\n", comm, &s, err);
    if (status != STATUS_OK)
        return status;
    status = results_write(s, e, comm, err);
    if (status == STATUS_OK && provenance)
        status = provenance_write(s, comm, err);
    if (status == STATUS_OK)
        return run_store_commit(s, err);
    run_store_abandon(s);
    return status;
}

/* ---- reading back ---- */

static bool same_doubles(const double *a, const double *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static bool same_scan(const struct run_store_scan *a, const struct run_store_scan *b)
{
    return strcmp(a->seriesuid, b->seriesuid) == 0 && a->subset == b->subset &&
           strcmp(a->status, b->status) == 0 && strcmp(a->reason, b->reason) == 0 &&
           memcmp(a->size, b->size, sizeof a->size) == 0 &&
           same_doubles(a->spacing, b->spacing, 3) &&
           same_doubles(a->origin, b->origin, 3) &&
           same_doubles(a->direction, b->direction, 9) &&
           strcmp(a->content, b->content) == 0 && a->seen == b->seen &&
           a->candidate_first == b->candidate_first &&
           a->candidate_count == b->candidate_count && a->mask_first == b->mask_first &&
           a->mask_bytes == b->mask_bytes && same_doubles(&a->score, &b->score, 1) &&
           a->nodules == b->nodules && strcmp(a->diagnosis, b->diagnosis) == 0;
}

static bool same_candidate(const struct run_store_candidate *a,
                           const struct run_store_candidate *b)
{
    return a->scan == b->scan && same_doubles(a->index, b->index, 3) &&
           same_doubles(a->xyz, b->xyz, 3) && a->voxels == b->voxels &&
           a->diameter_mm == b->diameter_mm &&
           memcmp(&a->probability, &b->probability, sizeof a->probability) == 0 &&
           memcmp(&a->malignancy, &b->malignancy, sizeof a->malignancy) == 0 &&
           memcmp(&a->disagreement, &b->disagreement, 2 * sizeof a->disagreement) == 0 &&
           a->seen == b->seen;
}

static enum status compare_scan(struct run_reader *r, const struct example *e, int64_t i,
                                bool *same, struct error *err)
{
    enum status status;
    struct run_store_scan scan;
    struct run_store_candidate *candidates = NULL;
    uint8_t *mask = NULL;

    TRY(run_reader_scan(r, i, &scan, err));
    TRY(run_reader_candidates(r, &scan, &candidates, err));
    TRY(run_reader_mask(r, &scan, &mask, err));
    *same &= same_scan(&scan, &e->scans[i]);
    for (int64_t k = 0; k < scan.candidate_count; k++)
        *same &= same_candidate(&candidates[k], &e->candidates[scan.candidate_first + k]);
    *same &= memcmp(mask, e->masks + scan.mask_first, (size_t)scan.mask_bytes) == 0;
    *same &= run_reader_find(r, e->scans[i].seriesuid) == i;
out:
    free(candidates);
    free(mask);
    return status;
}

static enum status compare(const char *path, const struct example *e, bool *same,
                           struct error *err)
{
    enum status status;
    struct run_reader *r = NULL;
    char *text = NULL;
    float value = 0;

    *same = true;
    TRY(run_reader_open(path, &r, err));
    *same &=
        run_reader_scan_count(r) == SCANS && run_reader_candidate_count(r) == CANDIDATES;
    for (int64_t i = 0; i < SCANS; i++)
        TRY(compare_scan(r, e, i, same, err));
    *same &= run_reader_find(r, "1.2") == -1 && run_reader_is_ensemble(r);
    for (int64_t z = 0; z < DEPTH; z++) {
        TRY(run_reader_heatmap(r, e->scans[5].seriesuid, (int64_t[]){z, 3, 4},
                               (int64_t[]){1, 1, 1}, &value, err));
        *same &= value == heat(5, (z * HEIGHT + 3) * WIDTH + 4);
    }
    *same &= run_reader_heatmap(r, e->scans[5].seriesuid, (int64_t[]){DEPTH, 0, 0},
                                (int64_t[]){1, 1, 1}, &value, NULL) == STATUS_ITEM_FORMAT;
    *same &= run_reader_heatmap(r, e->scans[1].seriesuid, (int64_t[]){0, 0, 0},
                                (int64_t[]){1, 1, 1}, &value, NULL) == STATUS_ITEM_IO;
    TRY(run_reader_text(r, "/results/configuration", &text, err));
    *same &= strcmp(text, "mode = \"book\";\n") == 0;
    free(text);
    text = NULL;
    TRY(run_reader_text(r, "/provenance/started", &text, err));
    *same &= strcmp(text, "1970-01-02T00:00:00Z") == 0;
out:
    free(text);
    run_reader_close(r);
    return status;
}

/* ---- the promises ---- */

static void what_any_rank_wrote_every_rank_reads(void **state)
{
    (void)state;
    struct error err = {0};
    struct example *e = example_new();
    const char *kept = getenv("PULMO_KEEP_RUN_H5");
    const char *path = kept ? kept : file;
    bool same = false;

    enum status status = example_write(path, e, true, MPI_COMM_WORLD, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = compare(path, e, &same, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    assert_all_ranks(same);
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks_rank() == 0 && !kept)
        unlink(path);
    free(e);
}

static bool same_files(const char *a, const char *b)
{
    char *x = NULL, *y = NULL;
    size_t n = 0, m = 1;
    bool same = file_read(a, 1 << 28, &x, &n, NULL) == STATUS_OK &&
                file_read(b, 1 << 28, &y, &m, NULL) == STATUS_OK && n == m &&
                memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

static void without_provenance_the_file_does_not_tell_how_many_wrote_it(void **state)
{
    (void)state;
    struct error err = {0};
    struct example *e = example_new();
    enum status status = STATUS_OK;
    char alone[400];
    bool same = true;

    snprintf(alone, sizeof alone, "%s.alone", file);
    if (ranks_rank() == 0)
        status = example_write(alone, e, false, MPI_COMM_SELF, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = example_write(file, e, false, MPI_COMM_WORLD, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    if (ranks_rank() == 0) {
        same = same_files(file, alone);
        unlink(file);
        unlink(alone);
    }
    assert_all_ranks(same);
    free(e);
}

static void a_run_of_nothing_is_a_store_too(void **state)
{
    (void)state;
    const struct run_store_extent extent = {.seriesuid_bytes = 1};
    struct run_store *s = NULL;
    struct run_reader *r = NULL;
    struct error err = {0};

    enum status status = run_store_create(file, &extent, "", MPI_COMM_WORLD, &s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_scans(s, 0, 0, NULL, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_candidates(s, 0, 0, NULL, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_mask(s, 0, 0, NULL, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    const struct run_store_provenance p = {
        .job = "", .version = "", .isa = "", .mpi_io = "", .host = ""};
    status = run_store_write_provenance(s, &p, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_commit(s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_reader_open(file, &r, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    assert_all_ranks(run_reader_scan_count(r) == 0 && run_reader_find(r, "1") == -1);
    run_reader_close(r);
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks_rank() == 0)
        unlink(file);
}

static void one_rank_may_write_much_more_than_the_others(void **state)
{
    (void)state;
    enum { LARGE = 70 << 20, SMALL = 10, MANY = 40000 };
    struct error err = {0};
    const int rank = ranks_rank();
    const int64_t mask_bytes = LARGE + SMALL * (ranks_size() - 1);
    const struct run_store_extent extent = {1, MANY, mask_bytes, 8, false, false};
    const struct run_store_scan scan = {.seriesuid = "1",
                                        .status = "done",
                                        .reason = "",
                                        .content = "",
                                        .diagnosis = "ok",
                                        .candidate_count = MANY,
                                        .mask_bytes = mask_bytes};
    struct run_store *s = NULL;
    struct run_reader *r = NULL;
    struct run_store_scan found;
    struct run_store_candidate *candidates = NULL;
    const int64_t count = rank == 0 ? LARGE : SMALL;
    const int64_t first = rank == 0 ? 0 : LARGE + (rank - 1) * SMALL;
    uint8_t *bytes = malloc(LARGE), *back = NULL;
    bool same = true;

    candidates = calloc(MANY, sizeof *candidates);
    assert_true(bytes && candidates);
    for (int64_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)((first + i) % 251);
    for (int64_t i = 0; i < MANY; i++)
        candidates[i].voxels = i;
    enum status status = run_store_create(file, &extent, "", MPI_COMM_WORLD, &s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_scans(s, 0, rank == 0, &scan, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_candidates(s, 0, rank == 0 ? MANY : 0, candidates, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_mask(s, first, count, bytes, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_commit(s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    free(candidates);
    candidates = NULL;

    if (rank == 0) {
        same = run_reader_open(file, &r, &err) == STATUS_OK &&
               run_reader_scan(r, 0, &found, &err) == STATUS_OK &&
               run_reader_mask(r, &found, &back, &err) == STATUS_OK &&
               run_reader_candidates(r, &found, &candidates, &err) == STATUS_OK;
        for (int64_t i = 0; same && i < mask_bytes; i++)
            same = back[i] == (uint8_t)(i % 251);
        for (int64_t i = 0; same && i < MANY; i++)
            same = candidates[i].voxels == i;
        run_reader_close(r);
        unlink(file);
    }
    assert_all_ranks(same);
    free(candidates);
    free(bytes);
    free(back);
}

static void long_reasons_are_cut_between_characters(void **state)
{
    (void)state;
    const struct run_store_extent extent = {1, 0, 0, 8, false, false};
    struct run_store_scan scan = {.seriesuid = "1234567",
                                  .status = "quarantined",
                                  .content = "",
                                  .diagnosis = "quarantined"};
    struct run_store *s = NULL;
    struct run_reader *r = NULL;
    struct error err = {0};
    char reason[300];

    for (size_t i = 0; i + 1 < sizeof reason; i += 2)
        memcpy(reason + i, "\xc3\xa9", 2); /* e acute, 255 is amid one */
    reason[sizeof reason - 2] = '\0';
    scan.reason = reason;
    enum status status = run_store_create(file, &extent, "", MPI_COMM_WORLD, &s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_write_scans(s, 0, ranks_rank() == ranks_size() - 1, &scan, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_store_commit(s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_reader_open(file, &r, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    status = run_reader_scan(r, 0, &scan, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    assert_all_ranks(strlen(scan.reason) == 254 &&
                     strncmp(scan.reason, reason, 254) == 0);
    run_reader_close(r);
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks_rank() == 0)
        unlink(file);
}

static void a_folder_that_is_not_there_is_an_error_on_all_ranks(void **state)
{
    (void)state;
    struct error err = {0};
    struct example *e = example_new();
    char path[400];
    snprintf(path, sizeof path, "%s/nowhere/run.h5", folder);
    enum status status = example_write(path, e, true, MPI_COMM_WORLD, &err);
    assert_all_ranks_text(status == STATUS_STAGE_IO, err.message);
    assert_all_ranks_text(strstr(err.message, path) != NULL, err.message);
    assert_all_ranks_text(strstr(err.message, "No such file") != NULL, err.message);
    free(e);
}

static void an_abandoned_store_leaves_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    const struct run_store_extent extent = {.scans = 3, .seriesuid_bytes = 8};
    struct run_store *s = NULL;
    char part[400];
    snprintf(part, sizeof part, "%s.part", file);
    enum status status = run_store_create(file, &extent, "", MPI_COMM_WORLD, &s, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    assert_all_ranks(file_exists(part) && !file_exists(file));
    run_store_abandon(s);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_all_ranks(!file_exists(part) && !file_exists(file));
}

static void a_full_disk_is_an_error_on_all_ranks(void **state)
{
    (void)state;
    struct error err = {0};
    char small[300], path[400];
    const struct run_store_extent large = {1000, 1000, 4 << 20, 64, false, false};
    const struct run_store_extent fits = {
        .scans = 1, .seriesuid_bytes = 8, .heatmaps = true};
    struct run_store *s = NULL;
    int mounted = 0;

    snprintf(small, sizeof small, "%s/small", folder);
    snprintf(path, sizeof path, "%s/run.h5", small);
    if (ranks_rank() == 0)
        mounted = folder_make(small, NULL) == STATUS_OK &&
                  mount("tmpfs", small, "tmpfs", 0, "size=1m") == 0;
    MPI_Bcast(&mounted, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (!mounted) {
        printf("a small file system cannot be mounted here: skipped\n");
        skip();
    }
    enum status at_create = run_store_create(path, &large, "", MPI_COMM_WORLD, &s, &err);
    bool told = strstr(err.message, path) && strstr(err.message, "No space left");
    enum status fitting = run_store_create(path, &fits, "", MPI_COMM_WORLD, &s, NULL);
    enum status at_heatmap = STATUS_OK;
    if (fitting == STATUS_OK) {
        at_heatmap = run_store_make_heatmap(s, "1", (int64_t[]){100, 100, 100}, &err);
        run_store_abandon(s);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (ranks_rank() == 0)
        umount(small);
    assert_all_ranks(at_create == STATUS_STAGE_IO);
    assert_all_ranks_text(told, err.message);
    assert_all_ranks_text(fitting == STATUS_OK, err.message);
    assert_all_ranks_text(at_heatmap == STATUS_STAGE_IO, err.message);
}

/* Writes of some ranks fail once the store is laid out; `limited` says which. */
static enum status write_under_limit(const struct example *e, bool limited,
                                     struct error *err)
{
    const struct run_store_extent extent = {SCANS,           CANDIDATES, e->mask_bytes,
                                            SERIESUID_BYTES, true,       true};
    struct rlimit before, small;
    struct run_store *s = NULL;

    enum status status = run_store_create(file, &extent, "", MPI_COMM_WORLD, &s, err);
    if (status != STATUS_OK)
        return status;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 1024;
    if (limited)
        setrlimit(RLIMIT_FSIZE, &small);
    status = run_store_write_scans(s, 0, ranks_rank() == 0 ? SCANS : 0, e->scans, err);
    if (status == STATUS_OK)
        status = results_write(s, e, MPI_COMM_WORLD, err);
    run_store_abandon(s);
    setrlimit(RLIMIT_FSIZE, &before);
    return status;
}

static void a_write_that_fails_on_some_ranks_fails_on_all(void **state)
{
    (void)state;
    struct example *e = example_new();
    char part[400];
    snprintf(part, sizeof part, "%s.part", file);
    signal(SIGXFSZ, SIG_IGN);
    for (int who = 0; who <= ranks_size(); who++) { /* each alone, then all */
        struct error err = {0};
        int status =
            write_under_limit(e, who == ranks_size() || who == ranks_rank(), &err);
        int first = status;
        MPI_Bcast(&first, 1, MPI_INT, 0, MPI_COMM_WORLD);
        assert_all_ranks(first == status);
        assert_all_ranks(who < ranks_size() || status == STATUS_STAGE_IO);
        assert_all_ranks(status == STATUS_OK || strstr(err.message, part));
        MPI_Barrier(MPI_COMM_WORLD);
        assert_all_ranks(!file_exists(part));
    }
    free(e);
}

/* ---- reading what is not whole ---- */

static enum status open_and_read_all(const char *path, struct error *err)
{
    struct run_reader *r = NULL;
    struct run_store_scan scan;
    struct run_store_candidate *candidates = NULL;
    enum status status = run_reader_open(path, &r, err);
    for (int64_t i = 0; status == STATUS_OK && i < run_reader_scan_count(r); i++) {
        status = run_reader_scan(r, i, &scan, err);
        if (status == STATUS_OK)
            status = run_reader_candidates(r, &scan, &candidates, err);
        free(candidates);
        candidates = NULL;
    }
    run_reader_close(r);
    return status;
}

static void a_damaged_store_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct example *e = example_new();
    char *text = NULL;
    size_t bytes = 0;
    bool refused = true;

    enum status status = example_write(file, e, true, MPI_COMM_WORLD, &err);
    assert_all_ranks_text(status == STATUS_OK, err.message);
    if (ranks_rank() == 0) {
        refused &= file_read(file, 1 << 28, &text, &bytes, NULL) == STATUS_OK;
        refused &= truncate(file, (off_t)bytes / 2) == 0;
        refused &= open_and_read_all(file, &err) == STATUS_ITEM_IO;
        refused &= strstr(err.message, file) && strstr(err.message, "truncated");
        refused &= file_write(file, "no HDF5 at all", 14, NULL) == STATUS_OK;
        refused &= open_and_read_all(file, &err) == STATUS_ITEM_IO;
        for (size_t at = 0; at < bytes && at < 4096; at += 97) {
            text[at] ^= 0x55; /* may hit a value: no crash is what is asked */
            refused &= file_write(file, text, bytes, NULL) == STATUS_OK;
            open_and_read_all(file, &err);
            text[at] ^= 0x55;
        }
        refused &= unlink(file) == 0;
        refused &= open_and_read_all(file, &err) == STATUS_ITEM_IO;
        free(text);
    }
    assert_all_ranks_text(refused, err.message);
    free(e);
}

static void a_scan_that_points_past_the_end_is_refused(void **state)
{
    (void)state;
    struct example *e = example_new();
    const int64_t wrong[][2] = {
        {-1, 1}, {CANDIDATES, 1}, {0, CANDIDATES + 1}, {1, INT64_MAX}};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = {0};
        e->scans[3].candidate_first = wrong[i][0];
        e->scans[3].candidate_count = wrong[i][1];
        enum status status = example_write(file, e, true, MPI_COMM_WORLD, &err);
        assert_all_ranks_text(status == STATUS_OK, err.message);
        status = open_and_read_all(file, &err);
        assert_all_ranks_text(status == STATUS_ITEM_FORMAT, err.message);
        assert_all_ranks_text(strstr(err.message, e->scans[3].seriesuid) != NULL,
                              err.message);
        MPI_Barrier(MPI_COMM_WORLD);
        if (ranks_rank() == 0)
            unlink(file);
    }
    free(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_any_rank_wrote_every_rank_reads),
        cmocka_unit_test(without_provenance_the_file_does_not_tell_how_many_wrote_it),
        cmocka_unit_test(a_run_of_nothing_is_a_store_too),
        cmocka_unit_test(one_rank_may_write_much_more_than_the_others),
        cmocka_unit_test(long_reasons_are_cut_between_characters),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error_on_all_ranks),
        cmocka_unit_test(an_abandoned_store_leaves_nothing),
        cmocka_unit_test(a_full_disk_is_an_error_on_all_ranks),
        cmocka_unit_test(a_write_that_fails_on_some_ranks_fails_on_all),
        cmocka_unit_test(a_damaged_store_is_refused),
        cmocka_unit_test(a_scan_that_points_past_the_end_is_refused),
    };
    ranks_start(&argc, &argv);
    ranks_folder(folder, sizeof folder);
    snprintf(file, sizeof file, "%s/run.h5", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (ranks_rank() == 0) {
        char small[300];
        snprintf(small, sizeof small, "%s/small", folder);
        rmdir(small);
        rmdir(folder);
    }
    return ranks_end(failed);
}
